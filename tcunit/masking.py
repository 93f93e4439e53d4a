"""Secrets, kept out of what is written down about a container.

Nothing of a container's environment is shown. In its log and in the engine's answer, values are
masked that the container was given as secrets (by the name of the variable or of the option), and
whatever stands where a secret stands: in a URL, in an Authorization header, after ``password=``.
A value that is also given without secrecy, or that is in the image's name, is left as it is: with
user and password ``postgres``, nothing would be readable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

MASK = "***"
LONG = 8  # from this length on, a secret is masked within words, too

# As texts: only what shows something needs them, and then the module re keeps them compiled.
_NAME = (
    r"(?:pass(?:w(?:or)?d|phrase|code)?|(?<=[\w-])pwd|secret|token|credential"
    r"|auth(?!or(?!i[sz]))|(?:api|access|private)-?_?key|(?:^|[_-])key(?:$|[_-]))"
)
_SECRET_NAME = rf"(?i){_NAME}"
_OPTION = rf"(?i)--?[\w.-]*{_NAME}[\w.-]*"
_OPTION_WITH_VALUE = rf"(?i)--?[\w.-]*{_NAME}[\w.-]*[=\s]\s*[\"']?([^\s\"']+)"
_IN_URL = r"(?i)(\b[a-z][a-z0-9+.-]*://[^\s/:@]*):[^\s/]+@"
_IN_HEADER = r"(?i)(authorization\W{1,4}(?:basic|bearer|digest)\s+)[^\s\"',]+"
_ASSIGNED = (
    r"(?i)([\w.-]*(?:pass(?:w(?:or)?d|phrase)|secret|token)[\w.-]*[\"']?\s*[=:]\s*[\"']?)"
    r"[^\s\"',;&]+"
)


def is_secret(name: str) -> bool:
    """Whether a variable, key or option of this name has a secret for its value."""
    return bool(re.search(_SECRET_NAME, name))


@dataclass(frozen=True)
class Secrets:
    """The secrets of one container."""

    values: frozenset[str] = frozenset()

    @classmethod
    def of(cls, info: Json) -> Secrets:
        """What the engine's answer about a container shows to be its secrets."""
        config = info.get("Config") or {}
        pairs = [text.partition("=")[::2] for text in config.get("Env") or ()]
        secret = {value for name, value in pairs if is_secret(name)}
        secret.update(_given_to(_commands(info)))
        public = {value for name, value in pairs if not is_secret(name)}
        image = str(config.get("Image") or "")
        found = {value for value in secret - public if value and value not in image}
        lines = {line for value in found for line in value.splitlines() if len(line) >= LONG}
        return cls(frozenset(found | lines))

    def mask(self, text: str) -> str:
        """A text with stars in place of each secret."""
        for value in sorted(self.values, key=len, reverse=True):
            pattern = re.escape(value)
            if len(value) < LONG:
                pattern = rf"(?<![A-Za-z0-9]){pattern}(?![A-Za-z0-9])"
            text = re.sub(pattern, MASK, text)
        text = re.sub(_IN_URL, rf"\1:{MASK}@", text)
        for where in (_IN_HEADER, _ASSIGNED):
            text = re.sub(where, rf"\1{MASK}", text)
        return text

    def mask_info(self, info: Json) -> Json:
        """The engine's answer about a container without its secrets and without its environment."""
        masked: Json = self._mask_value(info)
        config = info.get("Config") or {}
        if config.get("Env"):
            masked["Config"]["Env"] = [_without_value(text) for text in config["Env"]]
        return masked

    def _mask_value(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: self._mask_item(str(key), each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._mask_value(each) for each in value]
        return self.mask(value) if isinstance(value, str) else value

    def _mask_item(self, key: str, value: Any) -> Any:
        if isinstance(value, str) and value and is_secret(key):
            return MASK
        return self._mask_value(value)


def _without_value(text: str) -> str:
    name, separator, _ = text.partition("=")
    return f"{name}={MASK}" if separator else name


def _commands(info: Json) -> Iterator[list[str]]:
    """The commands in the engine's answer, as lists of words."""
    config = info.get("Config") or {}
    health = (config.get("Healthcheck") or {}).get("Test")
    for command in (config.get("Cmd"), config.get("Entrypoint"), info.get("Args"), health):
        yield [command] if isinstance(command, str) else list(command or ())


def _given_to(commands: Iterable[list[str]]) -> Iterator[str]:
    """What the commands give to options that take a secret: in the next word, or in the same."""
    for words in commands:
        for word, following in zip(words, [*words, ""][1:], strict=True):
            if re.fullmatch(_OPTION, word) and not following.startswith("-"):
                yield following
            yield from re.findall(_OPTION_WITH_VALUE, word)
