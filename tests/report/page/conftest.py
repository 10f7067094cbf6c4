"""Pages as a browser would find them."""

import base64
import gzip
import json
from html.parser import HTMLParser

import pytest

from analysis.planted import PlantedLaw, plant


class Page(HTMLParser):
    """What a browser would find: elements, text outside scripts, script blocks and packed data."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.text = ""
        self._inside: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._inside.append(tag)
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag):
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data):
        if self._inside[-1:] == ["script"]:
            attributes, text = self.scripts[-1]
            self.scripts[-1] = attributes, text + data
        elif self._inside[-1:] != ["style"]:
            self.text += f"{data} "

    def words(self) -> str:
        return " ".join(self.text.split())

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def values(self, attribute):
        return [a[attribute] for _, a in self.elements if attribute in a]

    def packed(self):
        """The bytes of each pack, by its id."""
        return {
            a["data-pack"]: gzip.decompress(base64.b64decode(text, validate=True))
            for a, text in self.scripts
            if "data-pack" in a
        }

    def packs(self):
        """The JSON of each pack that is JSON; a NaN in it is refused."""

        def refuse(name):
            raise ValueError(name)

        return {
            name: json.loads(raw, parse_constant=refuse)
            for name, raw in self.packed().items()
            if not name.endswith("-seeds")
        }


@pytest.fixture(scope="session")
def parse_page():
    return Page


@pytest.fixture
def page_of(write, tested):
    def make(study, **changes):
        return Page(write(tested(study), **changes).read_text(encoding="utf-8"))

    return make


@pytest.fixture(scope="session")
def demo_page(pages):
    return Page(pages["demo"].read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def groups_page(pages):
    return Page(pages["groups"].read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def few():
    """Three learning rates, ten batch sizes each, two seeds."""
    law = PlantedLaw(n_seeds=2, learning_rates=(0.1, 0.2, 0.4))
    return plant(law, seed=3).landscape.trials


@pytest.fixture(scope="session")
def small(few, study_of):
    return study_of(few)
