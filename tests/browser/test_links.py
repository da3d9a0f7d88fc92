"""A link in a real browser: the address follows the controls, is copied, opened elsewhere and kept under a name."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

from tests.browser.test_dashboard import Tab

HERE = "/prompt_space?seeds=0&tasks=duty&tasks=restaurant&method=PCA&near=zoo-64-s1%2Fduty-s0"


def asked(address: str) -> dict[str, list[str]]:
    return {name: sorted(values) for name, values in parse_qs(urlsplit(address).query).items()}


def drawn(tab: Tab) -> None:
    tab.page.wait_for_function("!document.body.innerText.includes('Computing ')", timeout=120_000)
    tab.settle()


def test_a_copied_link_opens_the_same_view_in_another_browser(server, browser):
    address, _ = server
    tab = Tab(browser)
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab.open(address + HERE)
    drawn(tab)
    # The address follows a control, and keeps what every page shares when the page changes.
    tab.page.get_by_role("radio", name="seed", exact=True).click()
    tab.page.wait_for_url(re.compile("by=seed"))
    drawn(tab)
    tab.page.get_by_role("button", name="Copy link").click()
    tab.page.get_by_role("button", name="Copied").wait_for()
    link = tab.page.evaluate("navigator.clipboard.readText()")
    assert asked(link) == {**asked(HERE), "by": ["seed"], "plm": ["zoo-64-s1"]}
    other = Tab(browser)
    other.open(link)
    drawn(other)
    assert other.page.get_by_role("radio", name="seed", exact=True).get_attribute("aria-checked") == "true"
    assert other.page.get_by_text("2 target tasks").count() == 1
    assert other.page.get_by_test_id("stAlert").count() == 0
    for one in (tab, other):
        one.check()
        one.context.close()


def test_a_kept_view_opens_on_its_page_in_the_same_tab(server, browser):
    address, _ = server
    tab = Tab(browser)
    tab.open(address + HERE)
    drawn(tab)
    tab.page.get_by_role("button", name="Saved views").click()
    tab.page.get_by_label("Keep it as").fill('Fig. 3 <b>"of" the paper</b>')
    tab.page.get_by_label("Keep it as").press("Tab")
    tab.page.get_by_role("button", name="Save", exact=True).click()
    tab.page.get_by_text('Kept as Fig. 3 <b>"of" the paper</b>').wait_for()
    tab.page.goto(f"{address}/runs")
    tab.page.wait_for_selector("h1")
    tab.page.get_by_role("button", name="Saved views").click()
    tab.page.get_by_role("dialog").get_by_role("link", name="Open").click()
    tab.page.wait_for_url(re.compile("/prompt_space[?]"))
    drawn(tab)
    assert tab.page.locator("h1").first.inner_text() == "Prompt space"
    assert tab.page.get_by_text("2 target tasks").count() == 1
    assert asked(tab.page.url) == asked(HERE)
    assert len(tab.context.pages) == 1
    tab.check()
    tab.context.close()


def test_a_link_to_what_is_not_here_says_so_and_shows_the_rest(server, browser):
    address, _ = server
    tab = Tab(browser, (390, 844), "dark")
    tab.open(f"{address}/prompt_space?plm=big-1&tasks=duty&tasks=<b>gone</b>&method=PCA")
    drawn(tab)
    note = tab.page.get_by_test_id("stAlert")
    assert "PLM big-1 (shown: zoo-64-s1); task <b>gone</b> (shown: duty)" in note.inner_text()
    assert tab.page.get_by_text("1 target tasks").count() == 1
    tab.page.get_by_role("button", name="Dismiss").click()
    note.wait_for(state="detached")
    tab.check()
    tab.context.close()
