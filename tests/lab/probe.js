// Looks at a rendered report and writes what it finds into the page, as JSON: sections, pictures, texts that overlap or leave
// their picture, colours, and what was asked of the network.
const overlap = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
                          Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3;

const picture = svg => {
  const frame = svg.getBoundingClientRect();
  const texts = [...svg.querySelectorAll("text")].map(text => ({words: text.textContent, box: text.getBoundingClientRect()}));
  const overlaps = [];
  texts.forEach((one, i) => texts.slice(i + 1).forEach(other => {
    if (overlap(one.box, other.box)) overlaps.push([one.words, other.words]);
  }));
  const outside = texts.filter(({box}) => box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 ||
                                          box.bottom > frame.bottom + 1).map(({words}) => words);
  const all = selector => [...svg.querySelectorAll(selector)].map(text => text.textContent);
  return {
    title: svg.querySelector("title")?.textContent, description: svg.querySelector("desc")?.textContent, overlaps, outside,
    texts: texts.map(({words}) => words), legend: all(".legend"), labels: all(".axis-label"), width: frame.width,
    colours: [...svg.querySelectorAll("[class*=s]")].map(mark => getComputedStyle(mark).stroke), label: svg.getAttribute("aria-label"),
    numbers: svg.parentElement.querySelectorAll("details td").length,
  };
};

const found = {
  headings: [...document.querySelectorAll("h1, h2")].map(heading => heading.textContent),
  links: [...document.querySelectorAll("a")].map(link => [link.getAttribute("href"), !!document.querySelector(link.getAttribute("href"))]),
  pictures: [...document.querySelectorAll("figure svg")].map(picture),
  axis: [...document.querySelectorAll("th svg")].map(picture),
  whiskers: document.querySelectorAll("td svg").length,
  verdict: document.querySelector(".verdict").textContent,
  background: getComputedStyle(document.body).backgroundColor,
  ink: getComputedStyle(document.body).color,
  wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  fetched: performance.getEntriesByType("resource").map(entry => entry.name),
  elements: [...new Set([...document.querySelectorAll("*")].map(element => element.localName))],
  twice: [...document.querySelectorAll("[id]")].map(element => element.id).filter((id, place, ids) => ids.indexOf(id) !== place),
  handlers: [...document.querySelectorAll("*")].flatMap(element => element.getAttributeNames()).filter(name => name.startsWith("on")),
};
const pre = document.createElement("pre");
pre.id = "probe";
pre.textContent = JSON.stringify(found);
document.body.append(pre);
