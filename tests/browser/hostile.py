"""Texts that would do something if a page took them for markup, code or a link."""

from playwright.sync_api import Page, expect

TEXTS = (
    "<script>window.hurt = 1</script>",
    "<img src=x onerror='window.hurt = 2'>",
    "\"><svg onload='window.hurt = 3'>",
    "'\"><iframe srcdoc='<script>parent.hurt = 4</script>'></iframe>",
    "</title></textarea></style></script><script>window.hurt = 5</script>",
    "javascript:window.hurt=6",
    "{{ 7 * 7 }}{% include 'layout.html' %}${7 * 7}",
    "<a href='javascript:window.hurt=8' autofocus onfocus='window.hurt=8'>click</a>",
    "&lt;script&gt;window.hurt = 9&lt;/script&gt;",
    "\u202etxet desrever\u2066 \u200b<b id=hurt>bold</b>",
    "<form action='https://elsewhere.example/'><input name=token></form>",
    "<meta http-equiv=refresh content='0;url=https://elsewhere.example/'>",
    "]]><!--><base href='https://elsewhere.example/'>",
    "<details open ontoggle='window.hurt = 14'><link rel=stylesheet href=//elsewhere.example/>",
)
TOGETHER = " ".join(TEXTS)
INJECTED = (
    "#hurt, iframe, base, meta[http-equiv], [onerror], [onload], [onfocus], [ontoggle],"
    " a[href^='javascript:' i], [action^='https://elsewhere'], [href^='https://elsewhere'],"
    " [href^='//elsewhere'], img[src='x'],"
    " script:not([src])"
)


def expect_unhurt(page: Page) -> None:
    """Nothing of the texts became an element, and nothing of them ran."""
    injected = page.locator(INJECTED).evaluate_all("found => found.map(it => it.outerHTML)")
    assert injected == []
    assert page.evaluate("window.hurt") is None


def expect_text(page: Page, text: str) -> None:
    """The text stands on the page as it was written, in a place that may be closed."""
    expect(page.locator("body")).to_contain_text(" ".join(text.split()))
