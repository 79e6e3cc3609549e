"""A headless Chromium that records what a page logs and requests."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

SECONDS = 30


class Browser:
    """One page at a time in a window of a given width, in pixels."""

    def __init__(self, driver: webdriver.Chrome, width: int):
        self.driver = driver
        size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def open(self, file: Path) -> None:
        self.driver.get(file.as_uri())

    def all(self, selector: str) -> list[WebElement]:
        """The elements of a CSS selector; waits until there is at least one."""
        found = WebDriverWait(self.driver, SECONDS).until(
            lambda driver: driver.find_elements(By.CSS_SELECTOR, selector),
            f"nothing is {selector}",
        )
        return found

    def link(self, text: str) -> WebElement:
        return WebDriverWait(self.driver, SECONDS).until(
            lambda driver: driver.find_element(By.LINK_TEXT, text), f"no link says {text}"
        )

    def click(self, element: WebElement) -> None:
        """Click on an element, visible or not."""
        self.run("arguments[0].click()", element)

    def run(self, script: str, *arguments):
        return self.driver.execute_script(script, *arguments)

    def until(self, script: str, *arguments) -> None:
        """Wait until a script in the page returns a true value."""
        WebDriverWait(self.driver, SECONDS).until(
            lambda driver: self.run(script, *arguments), script
        )

    @contextmanager
    def inside(self, frame: WebElement) -> Iterator[None]:
        """Within this context, the browser works on the page in a frame."""
        self.driver.switch_to.frame(frame)
        yield
        self.driver.switch_to.default_content()

    def errors(self) -> list[str]:
        return [
            entry["message"]
            for entry in self.driver.get_log("browser")
            if entry["level"] == "SEVERE"
        ]

    def requests(self) -> set[str]:
        """The requested addresses."""
        events = [json.loads(e["message"])["message"] for e in self.driver.get_log("performance")]
        return {
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        }

    def overflow(self) -> int:
        """Number of pixels by which the page is wider than its window."""
        return self.run("return document.documentElement.scrollWidth - window.innerWidth")


@contextmanager
def opened(width: int) -> Iterator[Browser]:
    """A browser with a window of this width in pixels, always closed at the end.

    Skips the test if there is no browser.
    """
    paths = [shutil.which(program) for program in ("chromium", "chromedriver")]
    if None in paths:
        pytest.skip("no browser; apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = paths[0]
    # Root, as in many containers, cannot use the sandbox; the pages are our own.
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(paths[1]))
    try:
        yield Browser(driver, width)
    finally:
        driver.quit()
