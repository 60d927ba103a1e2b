"""Who may ask for what: tokens, sessions, wrong tokens; the same for every route there is."""

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from stepwell.streams.gateway.guards import SESSION_COOKIE, SESSION_S, Guard, Scope
from stepwell.streams.gateway.guesses import ADDRESSES_MAX, BURST, REFILL_S, Guesses
from stepwell.streams.gateway.problems import Problem
from stepwell.streams.gateway.sessions import close_session, open_session, safe_next

OPERATE, READ = "a long random token", "another long random token"
OWN = {"Origin": "http://127.0.0.1"}


class Clock:
    def __init__(self):
        self.now_s = 1_000_000

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def guard(clock):
    return Guard(OPERATE, READ, clock=clock)


def asking(token=None, *, method="GET", cookie=None, host="127.0.0.1", **headers):
    given = {"Host": host} | headers
    if token is not None:
        given["Authorization"] = f"Bearer {token}"
    if cookie is not None:
        given["Cookie"] = f"{SESSION_COOKIE}={cookie}"
    return make_mocked_request(method, "/x", headers=given)


def refusal(guard, request, scope):
    with pytest.raises(Problem) as found:
        guard.check(request, scope)
    return found.value.status.value, found.value.reason


def cookie_of(guard, token, **options):
    response = web.Response()
    open_session(guard, asking(method="POST", **OWN, **options), response, token)
    return response.cookies[SESSION_COOKIE]


class TestTokens:
    def test_the_token_may_do_everything_and_the_other_may_look(self, guard):
        for scope in Scope:
            assert guard.check(asking(OPERATE), scope) is Scope.OPERATE
        assert guard.check(asking(READ), Scope.READ) is Scope.READ

    def test_who_may_only_look_is_known_but_refused(self, guard):
        assert refusal(guard, asking(READ), Scope.OPERATE) == (403, "scope")

    @pytest.mark.parametrize("token", [None, "", "wrong", OPERATE + "x", OPERATE[:-1]])
    def test_nobody_is_refused_whatever_he_asks_for(self, guard, token):
        for scope in Scope:
            assert refusal(guard, asking(token), scope) == (401, "token")

    def test_a_token_needs_its_scheme_in_whatever_case(self, guard):
        assert refusal(guard, asking(Authorization=OPERATE), Scope.READ) == (401, "token")
        assert guard.check(asking(Authorization=f"bearer {OPERATE}"), Scope.READ)

    def test_without_tokens_all_on_this_machine_may_do_everything(self):
        guard = Guard(None)
        assert guard.is_open
        assert guard.check(asking(), Scope.OPERATE) is Scope.OPERATE
        assert refusal(guard, asking(host="evil.example"), Scope.READ) == (403, "host")

    def test_pages_of_other_sites_may_ask_nothing(self, guard):
        request = asking(OPERATE, Origin="https://evil.example")
        assert refusal(guard, request, Scope.READ) == (403, "origin")


class TestSessions:
    def test_who_typed_a_token_has_a_session_of_its_scope(self, guard):
        for token, scope in ((OPERATE, Scope.OPERATE), (READ, Scope.READ)):
            cookie = cookie_of(guard, token)
            assert token not in cookie.value
            assert guard.scope_of(asking(cookie=cookie.value)) is scope

    def test_scripts_and_other_sites_cannot_use_its_cookie(self, guard):
        cookie = cookie_of(guard, OPERATE)
        assert cookie["httponly"]
        assert (cookie["samesite"], cookie["path"]) == ("Strict", "/")
        assert cookie["max-age"] == str(SESSION_S)
        assert not cookie["secure"]
        assert cookie_of(guard, OPERATE, **{"X-Forwarded-Proto": "https"})["secure"]

    def test_a_wrong_token_gets_none(self, guard):
        response = web.Response()
        assert open_session(guard, asking(method="POST", **OWN), response, "wrong") is None
        assert response.cookies == {}

    def test_it_ends(self, guard, clock):
        cookie = cookie_of(guard, OPERATE).value
        clock.now_s += SESSION_S - 1
        assert guard.scope_of(asking(cookie=cookie)) is Scope.OPERATE
        clock.now_s += 1
        assert guard.scope_of(asking(cookie=cookie)) is None

    def test_it_ends_with_its_token_and_not_with_the_other(self, guard, clock):
        cookie = cookie_of(guard, OPERATE).value
        assert Guard("new", READ, clock=clock).scope_of(asking(cookie=cookie)) is None
        assert Guard(OPERATE, "new", clock=clock).scope_of(asking(cookie=cookie))

    def test_it_cannot_be_made_up_or_prolonged_or_raised(self, guard):
        reader = cookie_of(guard, READ).value
        until, _, stamp = reader.partition(".")
        longer = f"{int(until) + 1}.{stamp}"
        for made_up in ("", ".", "x", stamp, longer, f"{until}.", f"{until}.é", f"{'9' * 99}.x"):
            assert guard.scope_of(asking(cookie=made_up)) is None
        assert refusal(guard, asking(cookie=reader, method="POST", **OWN), Scope.OPERATE) == (
            403,
            "scope",
        )

    def test_what_changes_something_must_come_from_a_page_of_ours(self, guard):
        cookie = cookie_of(guard, OPERATE).value
        request = asking(cookie=cookie, method="POST")
        assert refusal(guard, request, Scope.OPERATE) == (403, "origin")
        assert guard.check(asking(cookie=cookie, method="POST", **OWN), Scope.OPERATE)
        assert guard.check(asking(cookie=cookie), Scope.OPERATE)

    def test_a_login_of_another_site_is_refused(self, guard):
        other = asking(method="POST", Origin="https://evil.example")
        with pytest.raises(Problem):
            open_session(guard, other, web.Response(), OPERATE)

    def test_a_logout_takes_the_cookie_away(self):
        response = web.Response()
        close_session(response)
        assert response.cookies[SESSION_COOKIE].value == ""

    def test_after_the_login_one_stays_on_this_site(self):
        assert safe_next("/instances?status=errored") == "/instances?status=errored"
        for elsewhere in ("//evil.example", "/\\evil.example", "https://evil.example", "", "/\n"):
            assert safe_next(elsewhere) == "/"


class TestGuesses:
    def test_after_many_wrong_tokens_none_is_taken_for_a_while(self, guard, clock):
        for _ in range(BURST):
            assert refusal(guard, asking("wrong"), Scope.READ) == (401, "token")
        assert refusal(guard, asking("wrong"), Scope.READ) == (429, "guesses")
        with pytest.raises(Problem) as found:
            guard.check(asking(OPERATE), Scope.READ)
        wait_s = int(found.value.headers["Retry-After"])
        assert 0 < wait_s <= REFILL_S
        clock.now_s += wait_s
        assert guard.check(asking(OPERATE), Scope.READ)

    def test_sessions_go_on_meanwhile(self, guard):
        cookie = cookie_of(guard, OPERATE).value
        for _ in range(BURST):
            refusal(guard, asking("wrong"), Scope.READ)
        assert guard.check(asking(cookie=cookie), Scope.READ)

    def test_wrong_tokens_of_the_login_count_too(self, guard):
        for _ in range(BURST):
            open_session(guard, asking(method="POST", **OWN), web.Response(), "wrong")
        with pytest.raises(Problem) as found:
            open_session(guard, asking(method="POST", **OWN), web.Response(), OPERATE)
        assert found.value.status == 429

    def test_no_token_at_all_is_no_guess(self, guard):
        for _ in range(2 * BURST):
            assert refusal(guard, asking(), Scope.READ) == (401, "token")
        assert guard.check(asking(OPERATE), Scope.READ)

    def test_an_address_is_not_held_liable_for_another(self):
        guesses = Guesses()
        for _ in range(BURST):
            guesses.count("192.0.2.1", 0)
            guesses.count("2001:db8::1", 0)
        assert guesses.wait_s("192.0.2.1", 0)
        assert not guesses.wait_s("192.0.2.2", 0)
        assert guesses.wait_s("2001:db8::ffff", 0)  # of the same home
        assert not guesses.wait_s("2001:db8:0:1::1", 0)

    def test_only_so_many_addresses_are_remembered(self):
        guesses = Guesses()
        for _ in range(BURST):
            guesses.count("192.0.2.1", 0)
        for number in range(ADDRESSES_MAX):
            guesses.count(f"host-{number}", 0)
        assert not guesses.wait_s("192.0.2.1", 0)
