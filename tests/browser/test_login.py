"""Who may see the dashboard, and who may do what on it."""

import re
import secrets
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessible import findings
from tests.browser.conftest import Visitor
from tests.browser.stack import Stack, guarded_gateway

OPERATE, READ = f"operate-{secrets.token_hex(8)}", f"read-{secrets.token_hex(8)}"
LET_IN = "stepwell_session"


@pytest.fixture(scope="module")
def guarded(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A gateway that wants a token."""
    with guarded_gateway(
        stack,
        tmp_path_factory.mktemp("guarded"),
        STEPWELL_GATEWAY_TOKEN=OPERATE,
        STEPWELL_GATEWAY_READ_TOKEN=READ,
    ) as other:
        yield other


@pytest.fixture
def guest(visitor_of: Callable[[str], Visitor], guarded: Stack) -> Visitor:
    return visitor_of(guarded.url)


def sign_in(page: Page, token: str) -> None:
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()


@pytest.mark.parametrize("with_scripts", [True, False])
def test_the_login_leads_back_to_where_one_wanted_to_go(
    guest: Visitor, *, with_scripts: bool
) -> None:
    page = guest.page(java_script_enabled=with_scripts)
    page.goto("/instances?workflow=order&text=a%20b")
    expect(page).to_have_url(re.compile(r"/login\?next="))
    if with_scripts:
        assert findings(page) == []
    sign_in(page, OPERATE)
    expect(page).to_have_url(f"{guest.base_url}/instances?workflow=order&text=a%20b")
    expect(page.get_by_role("heading", level=1)).to_have_text("Instances")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Token")).to_be_visible()
    page.goto("/instances")
    expect(page.get_by_label("Token")).to_be_visible()


def test_a_wrong_token_is_refused_and_not_shown(guest: Visitor) -> None:
    guest.watcher.expect("status 401")
    page = guest.page()
    page.goto("/login")
    sign_in(page, "wrong-<b>token</b>")
    expect(page.get_by_role("alert")).to_contain_text("Not signed in")
    expect(page.get_by_label("Token")).to_have_value("")
    assert "wrong-" not in page.content()
    assert page.context.cookies() == []


def test_the_session_cookie_is_not_the_token_and_no_script_reads_it(guest: Visitor) -> None:
    page = guest.page()
    page.goto("/login")
    sign_in(page, OPERATE)
    expect(page.get_by_role("heading", level=1)).to_have_text("Instances")
    (cookie,) = [it for it in page.context.cookies() if it["name"] == LET_IN]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert OPERATE not in cookie["value"]
    assert LET_IN not in page.evaluate("document.cookie")


def test_live_updates_work_with_a_session(guest: Visitor, guarded: Stack) -> None:
    page = guest.page()
    page.goto("/instances?workflow=nap")
    sign_in(page, READ)
    expect(page.locator("#live-text")).to_have_text("Live")
    instance_id = guarded.started("nap", until="waiting")
    expect(page.get_by_role("link", name=instance_id)).to_be_visible()


def test_who_may_only_read_sees_everything_and_can_do_nothing(
    guest: Visitor, guarded: Stack
) -> None:
    instance_id = guarded.started("nap", until="waiting")
    page = guest.page()
    place = f"/instances/nap/{instance_id}"
    page.goto(place)
    sign_in(page, READ)
    expect(page.get_by_role("heading", level=1)).to_have_text(instance_id)
    expect(page.locator("details.action")).to_have_count(0)
    expect(page.locator("main form[method=post]")).to_have_count(0)
    answer = page.request.post(
        f"{place}/terminate", form={"confirm": "yes"}, headers={"Origin": guest.base_url}
    )
    assert answer.status == 403
    deleted = page.request.delete(
        f"/api/v1/workflows/nap/instances/{instance_id}", headers={"Origin": guest.base_url}
    )
    assert deleted.status == 403
    assert guarded.instance("nap", instance_id)["summary"]["status"] == "waiting"


@pytest.mark.parametrize(
    "place",
    [
        "https://elsewhere.example/",
        "//elsewhere.example/",
        "/\\elsewhere.example/",
        "/%09/elsewhere.example/",
        "javascript:window.hurt=1",
        "\t//elsewhere.example",
    ],
)
def test_the_login_never_leads_to_another_site(guest: Visitor, place: str) -> None:
    guest.watcher.expect("status 404")
    page = guest.page()
    page.goto("/login")
    page.locator("input[name=next]").evaluate("(field, place) => { field.value = place; }", place)
    sign_in(page, OPERATE)
    expect(page.get_by_label("Token")).to_have_count(0)
    assert page.url.startswith(f"{guest.base_url}/")


def test_a_form_of_another_site_does_nothing(guest: Visitor, guarded: Stack) -> None:
    """`localhost` is another site than `127.0.0.1`, and the same machine."""
    instance_id = guarded.started("nap", until="waiting")
    foreign = guest.base_url.replace("127.0.0.1", "localhost")
    guest.watcher.expect("localhost", "status 4", "form-action")
    page = guest.page()
    page.goto("/login")
    sign_in(page, OPERATE)
    expect(page.get_by_role("heading", level=1)).to_have_text("Instances")
    page.route(f"{foreign}/attack", lambda route: route.fulfill(body=ATTACK, content_type=HTML))
    page.goto(f"{foreign}/attack")
    place = f"{guest.base_url}/instances/nap/{instance_id}/terminate"
    page.locator("form").evaluate("(it, place) => { it.action = place; it.submit(); }", place)
    page.wait_for_load_state()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert guarded.instance("nap", instance_id)["summary"]["status"] == "waiting"


HTML = "text/html"
ATTACK = "<form method=post><input name=confirm value=yes></form>"
