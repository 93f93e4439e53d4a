"""What the doctor looks at first: this installation, the settings, the engine, the addresses."""

from __future__ import annotations

import difflib
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from ... import connection, settings
from ..._docker import Engine, NotThere, active_context, candidates, connected
from ..._version import __version__
from ...connection import ConnectionMode, NetworkFacts, Wish
from ...errors import EngineError, SettingError
from ...facts import Surroundings
from ...settings import CONNECTION_MODE, Setting, Settings
from .finding import NOTE, OK, PROBLEM, Finding

OLDEST_API = (1, 41)
DOCKERS_OWN = ("DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONFIG")


def installation() -> Iterator[Finding]:
    """The versions of what runs here."""
    try:
        sdk = version("docker")
    except PackageNotFoundError:
        sdk = "not installed as a package"
    yield Finding(
        "here",
        f"tcunit {__version__}, Python {platform.python_version()}, Docker SDK {sdk}, "
        f"{platform.system()} {platform.machine()}",
    )


def all_settings() -> dict[str, Setting[object]]:
    """Every setting, by its first variable."""
    known = [each for each in vars(settings).values() if isinstance(each, Setting)]
    return {each.variables[0]: each for each in known}


def settings_in_use(found: Settings) -> Iterator[Finding]:
    """Those that are set, and where; those that are wrong; and names that look like slips."""
    try:
        _ = found.properties
    except SettingError as error:
        yield Finding("settings", str(error), PROBLEM, "correct the file, or remove it")
        return
    is_any = False
    for name, setting in all_settings().items():
        try:
            value = found.find(setting)
        except SettingError as error:
            is_any = True
            yield Finding("settings", str(error), PROBLEM, "correct it, or unset it")
            continue
        if not value.is_default:
            is_any = True
            source = "the environment" if value.source in setting.variables else value.source
            own = value.source if value.source in setting.variables else name
            yield Finding("settings", f"{own} is {_text_of(value.value)}, from {source}")
    for name in DOCKERS_OWN:
        if value_of := found.environ.get(name):
            is_any = True
            yield Finding("settings", f"{name} is {value_of}, from the environment")
    yield from _slips(found)
    if not is_any:
        yield Finding("settings", "none is set: the defaults hold")


def _text_of(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(value) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _slips(found: Settings) -> Iterator[Finding]:
    """Variables with our prefix that nothing reads."""
    known = {name for setting in all_settings().values() for name in setting.variables}
    for name in sorted(found.environ):
        if not name.startswith("TCUNIT_") or name in known:
            continue
        near = difflib.get_close_matches(name, known, 1, 0.8)
        if near:
            yield Finding(
                "settings", f"{name} is set, which is no setting", PROBLEM, f"write {near[0]}"
            )
        else:
            yield Finding("settings", f"{name} is set, which tcunit does not read", NOTE)


def engines(found: Settings) -> Iterator[Finding | Engine]:
    """Each place where an engine may be; the one that is used comes as the engine itself."""
    name, source = active_context(found)
    yield Finding("engine", f"context {name or 'default'}" + (f", from {source}" if name else ""))
    used: Engine | None = None
    problems = []
    places = candidates(found)
    for place in places:
        where = f"{place.source}: {place.url or 'no address'}"
        try:
            if place.problem:
                raise EngineError(place.problem)
            engine = connected(place)
        except EngineError as error:
            problems.append(f"{where}: {error}")
            continue
        if used is None:
            used = engine
            yield Finding("engine", f"{where}: answers, and is used")
            yield used
        else:
            yield Finding("engine", f"{where}: answers, too, but comes later")
    for each in problems:
        yield Finding("engine", each, OK if used is not None else NOTE)
    if used is None:
        do = "start Docker, or name the engine in DOCKER_HOST, as in unix:///path/to/docker.sock"
        if len(places) == 1:
            do = f"start that engine, or correct what {places[0].source} says"
        yield Finding("engine", "no Docker engine answers", PROBLEM, do)


def about_engine(engine: Engine) -> Iterator[Finding]:
    """Its version, and what it says of itself."""
    number, api = str(engine.version.get("Version")), str(engine.version.get("ApiVersion"))
    kinds = [
        "Podman" * engine.is_podman, "Docker Desktop" * engine.is_desktop,
        "rootless" * engine.is_rootless,
    ]  # fmt: skip
    kind = ", ".join(filter(None, kinds)) or "Docker"
    told = f"version {number}, API {api} ({kind})"
    if _numbers(api) < OLDEST_API:
        oldest = ".".join(map(str, OLDEST_API))
        yield Finding("engine", f"{told} is older than API {oldest}", PROBLEM,
                      "update it to Docker 20.10 or later")  # fmt: skip
    else:
        yield Finding("engine", told)
    info = engine.info
    yield Finding(
        "engine",
        f"{info.get('OperatingSystem')}, {info.get('Architecture')}, {info.get('NCPU')} CPUs, "
        f"{int(info.get('MemTotal') or 0) / 2**30:.1f} GiB memory, storage {info.get('Driver')}",
    )
    for warning in info.get("Warnings") or ():
        yield Finding("engine", f"it warns: {warning}", NOTE)


def _numbers(version_text: str) -> tuple[int, ...]:
    return tuple(int(each) for each in version_text.split(".") if each.isdecimal())


def addresses(engine: Engine, found: Settings) -> Iterator[Finding]:
    """Which connection mode holds and why, and whether each works, on the default network."""
    around = Surroundings(engine, found)
    network = _default_network(around)
    facts = around.facts
    named = found.find(CONNECTION_MODE)
    source = "environment and properties" if named.is_default else named.source
    decision = connection.decide([Wish(named.value, source)], facts, network)
    why_not = connection.why_not(decision.mode, facts, network)
    told = f"{decision.mode.value} is chosen: {decision.rule}: {decision.reason}"
    if why_not:
        yield Finding("connection", f"{told}; but it cannot work: {why_not}", PROBLEM,
                      "unset that wish, so that a mode is chosen that works")  # fmt: skip
    else:
        yield Finding("connection", told)
    for rule, reason in decision.passed:
        yield Finding("connection", f"passed over: {rule}: {reason}")
    for mode in ConnectionMode:
        refused = connection.why_not(mode, facts, network)
        told = f"does not work here: {refused}" if refused else "works"
        yield Finding("connection", f"{mode.value} {told}", NOTE if refused else OK)
    where = connection.listen_addresses(facts, network)[1]
    yield Finding("connection", f"published ports listen on {where}")
    if facts.own_container:
        yield Finding("connection", f"we run in its container {facts.own_container[:12]}")


def _default_network(around: Surroundings) -> NetworkFacts | None:
    try:
        return around.network(around.engine.default_network)
    except NotThere:
        return None
