"""A headless Chromium, driven over a pipe by the DevTools protocol."""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager

#: Programs that are a Chromium.
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: Seconds that a machine with much else to do may take for one answer.
_PATIENCE = 120


def find():
    """Return the path of a Chromium, None where there is none."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


@contextmanager
def started(program):
    """Start a Chromium with a profile of its own; end it, and only it."""
    to_read, to_write = os.pipe()
    answers, its_answers = os.pipe()
    # Chromium reads from 3 and writes to 4, which may be taken here
    ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (to_read, its_answers)]
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            ["bash", "-c", f'exec "$0" "$@" 3<&{ends[0]} 4>&{ends[1]}', program, *options,
             f"--user-data-dir={profile}", "about:blank"],
            pass_fds=ends, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for end in (to_read, its_answers, *ends):
            os.close(end)
        try:
            yield Browser(to_write, answers)
        finally:
            os.close(to_write)
            os.close(answers)
            process.terminate()
            process.wait(timeout=_PATIENCE)


class Browser:
    """One page, what it asked the network for, and what it wrote to the console."""

    def __init__(self, to_write, answers):
        self._to_write, self._answers, self._rest, self._count = to_write, answers, b"", 0
        self._session = None
        self.events = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for room in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{room}.enable")

    def send(self, method, **params):
        """Return the answer to a command."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to_write, json.dumps(message).encode() + b"\0")
        return self._wait(lambda found: found.get("id") == self._count)["result"]

    def _wait(self, is_it):
        end = time.monotonic() + _PATIENCE
        while True:
            while b"\0" not in self._rest:
                left = end - time.monotonic()
                if left <= 0 or not select.select([self._answers], [], [], left)[0]:
                    raise TimeoutError("Chromium does not answer.")
                self._rest += os.read(self._answers, 1 << 20)
            line, _, self._rest = self._rest.partition(b"\0")
            found = json.loads(line)
            if "error" in found:
                raise RuntimeError(found["error"])
            if "id" not in found:
                self.events.append(found)
            if is_it(found):
                return found

    def show(self, path, *, width=1400, scheme="light", media="", scripts=True):
        """Open a file at a width in CSS pixels, in a colour scheme, and wait until it is there."""
        self.events.clear()
        mobile = width < 700
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=900, deviceScaleFactor=1, mobile=mobile,
        )  # fmt: skip
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", media=media, features=features)
        self.send("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.send("Page.navigate", url=path.resolve().as_uri())
        self._wait(lambda found: found.get("method") == "Page.loadEventFired")

    def run(self, script):
        """Return what a script gives in the page."""
        found = self.send("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def press(self, key, code):
        """Press a key that has a code, such as Enter, 13."""
        text = "\r" if key == "Enter" else ""
        about = {"key": key, "code": key, "windowsVirtualKeyCode": code, "text": text}
        self.send("Input.dispatchKeyEvent", type="keyDown", **about)
        self.send("Input.dispatchKeyEvent", type="keyUp", **about)

    def picture(self, path):
        """Write the whole page as a PNG."""
        found = self.send("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))

    @property
    def requests(self):
        """Addresses that were asked for, without those that hold their own data."""
        sent = [e["params"] for e in self.events if e["method"] == "Network.requestWillBeSent"]
        urls = [one["request"]["url"] for one in sent]
        return [url for url in urls if not url.startswith("data:")]

    @property
    def complaints(self):
        """What the console says, and exceptions."""
        kinds = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        return [event["params"] for event in self.events if event["method"] in kinds]
