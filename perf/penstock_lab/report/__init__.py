"""Reports of results: one HTML file (html), the same pictures as SVG and PNG (pictures), and a page of Markdown (markdown).

Everything here reads results as penstock_lab.result.load gives them. Numbers are cut, never rounded up: nothing in a report is above
what is in the JSON. Every word of a result is treated as written by a stranger.
"""
