"""What stands before requests: access rules, that no spelling of a path gets around; patterns that are looked for, in
content too; how both are counted and logged."""
import gzip
import json
import re
import zlib

import rig
from rig import LAN4, VIP4, WAN4, objects

PORT = 8080
HERE = WAN4.format(1)


def policy(name, *rules, target="edge", kind="Gateway", section=None, **spec):
    ref = {"kind": kind, "name": target, **({"sectionName": section} if section else {})}
    return {"apiVersion": objects.OURS, "kind": "RequestAccessPolicy", "metadata": {"name": name},
            "spec": {"targetRefs": [ref], "rules": list(rules), **spec}}


def inspection(*patterns, **spec):
    return {"apiVersion": objects.OURS, "kind": "RequestInspection", "metadata": {"name": "look"},
            "spec": {"targetRefs": [{"kind": "HTTPRoute", "name": "shop"}], "patterns": list(patterns), **spec}}


class RequestPolicy(rig.Story):
    servers = 1
    start_gateway = False

    @classmethod
    def build(cls):
        super().build()
        cls.start_web()
        cls.log = cls.lab.dir / "access.log"
        cls.gateway.start("--access-log", cls.log)

    def serve(self, *policies):
        web = objects.service("web", VIP4, (80, 80))
        self.gateway.replace(
            self.node(), web, objects.endpoints(web, LAN4.format(11)),
            objects.gateway("edge", [HERE], objects.listener("http", PORT)),
            objects.http_route("shop", "edge", objects.http_rule(objects.backend("web", 80))), *policies)

    def fetch(self, path, *extra):
        done = self.client.run("curl", "-sS", "-g", "--path-as-is", "--max-time", 20, "-o", "/dev/null",
                               "-w", "%{http_code}", *extra, f"http://{HERE}:{PORT}{path}")
        return int(done.stdout)

    def refused(self, *words):
        """Whether the gateway refused it: what the server thinks of a path does not count."""
        return self.fetch(*words) == 403

    def lines(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def counted(self, **labels):
        found = [line for line in self.gateway.metrics().splitlines() if line.startswith("penstock_l7_access_total")
                 and all(f'{key}="{value}"' in line for key, value in labels.items())]
        self.assertTrue(found, labels)
        return sum(float(line.rsplit(" ", 1)[1]) for line in found)

    def found(self, pattern, action):
        found = [line for line in self.gateway.metrics().splitlines() if line.startswith("penstock_l7_inspection_total")
                 and f'inspection="default/look",pattern="{pattern}",action="{action}"' in line]
        self.assertEqual(len(found), 1, (pattern, action))
        return float(found[0].rsplit(" ", 1)[1])


class Access(RequestPolicy):

    def test_1_denied_by_source_path_method_header_and_parameter(self):
        self.serve(policy("no", {"name": "there", "paths": ["/admin*"], "notMethods": ["HEAD"]},
                          {"name": "agent", "headers": [{"name": "User-Agent", "values": ["*bot"]}]},
                          {"name": "debug", "queryParams": [{"name": "debug", "expressions": ["[1-9]\\d*"]}]},
                          {"name": "far", "remoteIpBlocks": ["192.0.2.0/24"], "paths": ["/near"]},
                          {"name": "near", "remoteIpBlocks": [WAN4.format(0) + "/24"], "paths": ["/far"]}, action="DENY"))
        for words in (("/admin/x",), ("/", "-A", "a-bot"), ("/?debug=%31",), ("/far",)):
            self.assertTrue(self.refused(*words), words)
        for words in (("/",), ("/admi",), ("/admin", "-I"), ("/", "-A", "bots"), ("/?debug=0",), ("/near",)):
            self.assertFalse(self.refused(*words), words)
        self.assertEqual(self.counted(policy="default/no", rule="there", verdict="denied"), 1)
        rig.wait_until(lambda: len(self.lines()) >= 10, 20, what=self.lines)
        line = self.lines()[0]
        self.assertEqual((line["response_code"], line["response_flags"], line["access_policy"], line["access_rule"]),
                         (403, "AD", "default/no", "there"))

    def test_2_no_spelling_of_a_path_gets_around(self):
        self.serve(policy("no", {"paths": ["/admin", "/admin/*"]}, action="DENY"))
        for path in ("/admin", "//admin", "/%61dmin", "/x/../admin", "/x/..//admin", "/%2561dmin", "/x%2f..%2fadmin", "/.%2e/admin",
                     "/admin;a=b", "/admin/../admin/", "/x/..;/admin/y", "/%5cadmin", "/%25252561dmin", "/./admin?x"):
            self.assertTrue(self.refused(path), path)
        for path in ("/", "/x/admin", "/administrator", "/admin/../x", "/%2541dmin"):
            self.assertFalse(self.refused(path), path)

    def test_3_only_what_is_allowed_and_deny_comes_first(self):
        self.serve(policy("readers", {"paths": ["/public*"], "methods": ["GET", "HEAD"]}),
                   policy("key", {"headers": [{"name": "X-Key", "values": ["secret"]}]}, target="shop", kind="HTTPRoute"),
                   policy("no", {"paths": ["/public/not"]}, action="DENY", target="shop", kind="HTTPRoute"))
        self.assertFalse(self.refused("/public/x"))
        self.assertFalse(self.refused("/else", "-H", "X-Key: secret"))
        for words in (("/else",), ("/public/x", "-d", "x"), ("/public/not",), ("/public/%2e%2e%2felse",), ("/public/not", "-H", "X-Key: secret"),
                      ("/else", "-H", "X-Key: secret", "-H", "X-Key: other")):
            self.assertTrue(self.refused(*words), words)
        self.assertEqual(self.counted(policy="default/readers", rule="", verdict="denied"), 4)

    def test_4_a_shadow_only_counts(self):
        self.serve(policy("maybe", {"name": "r", "paths": ["/x"]}, action="DENY", shadow=True),
                   policy("only", {"name": "r", "paths": ["/x"]}, shadow=True))
        for path in ("/x", "/y", "/y"):
            self.assertFalse(self.refused(path), path)
        self.assertEqual(self.counted(policy="default/maybe", rule="r", verdict="would_deny"), 1)
        self.assertEqual(self.counted(policy="default/only", rule="r", verdict="would_allow"), 1)
        self.assertEqual(self.counted(policy="default/only", rule="", verdict="would_deny"), 2)

    def test_5_what_cannot_be_compiled_is_refused_with_its_place(self):
        with self.assertRaises(Exception) as refused:
            self.serve(policy("no", {"paths": ["/a"], "pathExpressions": ["/ok", "/(x"]}, action="DENY"))
        self.assertRegex(str(refused.exception), re.escape("spec.rules[0].pathExpressions[1]"))


class Inspection(RequestPolicy):

    def test_patterns_in_heads_and_contents(self):
        many = [{"name": f"w{i}", "expression": f"worm-{i}\\b", "in": ["path", "query"], "action": "deny"} for i in range(200)]
        self.serve(inspection(
            {"name": "sql", "expression": "union\\s+select", "ignoreCase": True, "in": ["query", "body"], "action": "deny"},
            {"name": "agent", "expression": "scanner", "in": ["header:User-Agent"], "action": "log"},
            {"name": "hot", "expression": "^/hot", "in": ["path"], "action": "tag", "tag": {"header": "X-Hot"}}, *many,
            bodyBytes=8192))
        filler = "x" * 5000
        for words in (("/?q=UNION%20%20select",), ("/?q=1+union+select",), ("/?q=%2575nion%2520select",), ("/worm-77",),
                      ("/", "-d", f"{filler}&q=union+select"), ("/", "-H", "Content-Type: text/plain", "-d", f"{filler} union select"),
                      ("/", "-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue", "-d", "q=union+select")):
            self.assertTrue(self.refused(*words), words)
        for words in (("/?q=union",), ("/worm-777",), ("/", "-A", "a scanner"), ("/hot/shoes",), ("/", "-d", f"q={filler}"),
                      ("/", "-d", f"{filler}{filler}union+select"), ("/?q=select+union",)):
            self.assertFalse(self.refused(*words), words)
        self.assertEqual((self.found("sql", "deny"), self.found("w77", "deny"), self.found("agent", "log"), self.found("hot", "tag")),
                         (6, 1, 1, 1))
        rig.wait_until(lambda: len(self.lines()) >= 14, 20, what=self.lines)
        lines = self.lines()
        self.assertEqual((lines[0]["response_flags"], lines[0]["inspection"], lines[0]["inspection_pattern"]), ("AD", "default/look", "sql"))
        self.assertEqual([line["finding"] for line in lines if "finding" in line and line["response_code"] != 403],
                         ["default/look/agent", "default/look/hot"])

    def test_what_is_no_pattern_is_refused_with_its_place(self):
        with self.assertRaises(Exception) as refused:
            self.serve(inspection({"name": "a", "expression": "a", "in": ["path"], "action": "log"},
                                  {"name": "b", "expression": "b*", "in": ["path"], "action": "log"}))
        self.assertRegex(str(refused.exception), re.escape("spec.patterns[1].expression"))


class Compressed(RequestPolicy):

    def send(self, content, *encodings):
        path = self.lab.dir / "content"
        path.write_bytes(content)
        fields = [word for each in encodings for word in ("-H", f"Content-Encoding: {each}")]
        return self.fetch("/", "-H", "Content-Type: application/json", *fields, "--data-binary", f"@{path}")

    def test_patterns_in_compressed_contents(self):
        """What Python compresses is seen; what cannot be seen is denied, or passes where that was asked for."""
        sql = {"name": "sql", "expression": "union\\s+select", "in": ["body"], "action": "deny"}
        self.serve(inspection(sql, bodyBytes=8192))
        bare = zlib.compressobj(wbits=-15)
        evil, good = b"x" * 8000 + b" union select", b"x" * 20_000 + b" union select"
        deflate = bare.compress(evil) + bare.flush()
        for content, encodings in (
                (gzip.compress(evil), ["gzip"]), (gzip.compress(evil, 0), ["X-GZip"]), (zlib.compress(evil), ["deflate"]),
                (deflate, ["Deflate"]), (zlib.compress(gzip.compress(evil)), ["gzip, identity", "deflate"]),
                (b"".join(gzip.compress(evil[i:i + 100]) for i in range(0, len(evil), 100)), ["gzip"]),
                (evil, ["gzip"]), (evil, ["br"])):
            self.assertEqual(self.send(content, *encodings), 403, encodings)
        self.assertEqual(self.found("sql", "deny"), 7)  # br is refused before it is read
        for content, encoding in ((gzip.compress(good), "gzip"), (zlib.compress(b"union"), "deflate"), (gzip.compress(b""), "gzip")):
            self.assertNotEqual(self.send(content, encoding), 403, encoding)
        unseen = ((b"whatever", "br"), (gzip.compress(b"cut")[:-4], "gzip"), (gzip.compress(b"and") + b"more", "gzip"),
                  (gzip.compress(b"") * 5000, "gzip"))
        for content, encoding in unseen:
            self.assertEqual(self.send(content, encoding), 403, content[:20])
        # Two of the eight above, whose content was plain, are among them.
        self.assertEqual(self.found("(uninspectable)", "deny"), len(unseen) + 2)
        metrics = self.gateway.metrics()
        for name, n in (("uninspectable_coding", 2), ("uninspectable_corrupt", 3), ("uninspectable_sparse", 1), ("contents_cut", 1)):
            self.assertRegex(metrics, rf"(?m)^penstock_l7_{name}_total {n}$")
        rig.wait_until(lambda: len(self.lines()) >= 15, 20, what=self.lines)
        line = self.lines()[-1]
        self.assertEqual((line["inspection"], line["inspection_pattern"]), ("default/look", "(uninspectable)"))

        self.serve(inspection(sql, bodyBytes=8192, onUninspectable="log"))
        for content, encoding in unseen:
            self.assertNotEqual(self.send(content, encoding), 403, content[:20])
        self.assertEqual(self.found("(uninspectable)", "log"), len(unseen))


if __name__ == "__main__":
    rig.main()
