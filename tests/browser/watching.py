"""What a browser complains of: nothing of it may happen, unless a test expects it."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Request, Response

WATCH_CSP = """
document.addEventListener('securitypolicyviolation', event => {
  console.error(`CSP refused ${event.blockedURI || 'inline'} (${event.violatedDirective})`);
});
"""
FROM_STATUS = "Failed to load resource: the server responded with a status of"


@dataclass
class Watcher:
    """Complaints in the order in which they came. `expected` are texts that may be in some."""

    origin: str
    complaints: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def watch(self, context: BrowserContext) -> None:
        """Listen to every page of the context from now on."""
        context.add_init_script(WATCH_CSP)
        context.on("console", self._console)
        context.on("weberror", lambda error: self._say(f"uncaught: {error.error}"))
        context.on("request", self._request)
        context.on("requestfailed", self._failed)
        context.on("response", self._response)
        context.on("dialog", self._dialog)

    def expect(self, *texts: str) -> None:
        """Complaints that contain one of these are no failure of this test."""
        self.expected.extend(texts)

    def unexpected(self) -> list[str]:
        return [it for it in self.complaints if not any(text in it for text in self.expected)]

    def _say(self, complaint: str) -> None:
        self.complaints.append(complaint)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not message.text.startswith(FROM_STATUS):
            self._say(f"console {message.type}: {message.text} at {message.location}")

    def _request(self, request: Request) -> None:
        url = urlsplit(request.url)
        if url.scheme not in {"data", "blob"} and f"{url.scheme}://{url.netloc}" != self.origin:
            self._say(f"request to another place: {request.method} {request.url}")

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # whoever leaves a page ends its streams
            self._say(f"request failed: {request.method} {request.url} {request.failure}")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self._say(f"status {response.status}: {response.request.method} {response.url}")

    def _dialog(self, dialog: Dialog) -> None:
        self._say(f"dialog {dialog.type}: {dialog.message}")
        dialog.dismiss()
