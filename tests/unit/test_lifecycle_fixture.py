"""The set of a class: its declarations and their references."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path
from typing import Any

from parameterized import parameterized_class

from tcunit import ContainerTestCase, DockerContainer, Network, omitted
from tcunit.errors import CycleError, DeclarationError
from tcunit.lifecycle.declared import FIXTURE, Declared
from tcunit.lifecycle.fixture import ClassFixture
from tcunit.lifecycle.graph import in_order
from tcunit.lifecycle.references import (
    Cluster,
    References,
    cluster_of,
    declarations_of,
    graph_of,
    settle_clusters,
)
from tcunit.settings import Settings


def docker(image: str = "image") -> DockerContainer:
    """Some declaration."""
    return DockerContainer(image)


class Thing(Declared):
    """Something that can be declared, and says itself whether it runs and what it needs."""

    is_started = False

    def __init__(self, *needed: Any, known_as: str = "") -> None:
        self.needed, self._known_as, self.prepared = needed, known_as, 0

    known_as = property(lambda self: self._known_as)

    def _reset(self) -> None:
        self.is_started = False

    def prepare(self) -> None:
        """Count the calls."""
        self.prepared += 1

    def needs(self) -> tuple[Any, ...]:
        """What it was made with."""
        return self.needed

    def launch(self, launch: object) -> None:
        """Nothing is started here."""

    def release(self) -> None:
        """Nothing is to be undone."""


def replicas_of(cls: type) -> dict[str, Declared]:
    """The copies that a class would start."""
    return {name: each._replica(name) for name, each in declarations_of(cls).items()}


class DeclarationsTest(unittest.TestCase):
    """Which declarations a class has in the end."""

    def test_those_of_the_bases_first(self) -> None:
        """All of them, by attribute, in the order of the bases and of the lines."""

        class Base:
            net = Network()
            db = docker("db")

        class Shop(Base):
            web = docker("web")

        self.assertEqual(["net", "db", "web"], list(declarations_of(Shop)))
        self.assertIs(Base.db, declarations_of(Shop)["db"])

    def test_an_override_wins(self) -> None:
        """What the class itself says replaces what its base says."""

        class Base:
            db = docker("old")

        class Shop(Base):
            db = docker("new")

        self.assertEqual({"db": Shop.__dict__["db"]}, declarations_of(Shop))
        self.assertEqual({"db": Base.__dict__["db"]}, declarations_of(Base))

    def test_left_out(self) -> None:
        """``omitted``, ``None`` or anything else in its place leaves a declaration out."""
        others: list[Any] = [omitted, None, 5, lambda self: None, [], property(lambda self: 1)]
        for other in others:
            with self.subTest(other=other):

                class Base:
                    db = docker()
                    cache = docker()

                left = type("Left", (Base,), {"db": other})
                self.assertEqual(["cache"], list(declarations_of(left)))
                again = type("Again", (left,), {"db": docker("new")})
                self.assertEqual({"cache", "db"}, set(declarations_of(again)))

    def test_the_mro_decides(self) -> None:
        """With several bases, the first that has the attribute wins, in a diamond, too."""

        class Root:
            db = docker("root")

        class Left(Root):
            pass

        class Right(Root):
            db = docker("right")

        class Both(Left, Right):
            pass

        self.assertEqual({"db": Right.__dict__["db"]}, declarations_of(Both))

    def test_plain_mixin_classes(self) -> None:
        """A class that knows nothing of tcunit may hold declarations."""

        class WithDatabase:
            db = docker("db")

        class Shop(WithDatabase, ContainerTestCase):
            web = docker("web").depends_on(WithDatabase.db)

        self.assertEqual({"db", "web"}, set(declarations_of(Shop)))
        replicas = replicas_of(Shop)
        self.assertIs(replicas["db"], References(Shop, replicas).resolve(WithDatabase.db))

    def test_what_is_no_declaration(self) -> None:
        """Other attributes are none."""

        class Shop:
            number, text, empty, nothing = 5, "db", [], None  # type: ignore[var-annotated]
            __hidden = [docker()]
            kind = DockerContainer

        self.assertEqual(["_Shop__hidden-0"], [*declarations_of(Shop)][:1])
        self.assertEqual(1, len(declarations_of(Shop)))


class ClusterTest(unittest.TestCase):
    """Lists, tuples and dicts of declarations."""

    def test_each_member_is_declared(self) -> None:
        """Members are named by their place or key."""

        class Shop:
            nodes = [docker("a"), docker("b")]
            pair = (docker("c"),)
            shards = {"eu": docker("d"), 7: docker("e")}

        expected = ["nodes-0", "nodes-1", "pair-0", "shards-eu", "shards-7"]
        self.assertEqual(expected, list(declarations_of(Shop)))

    def test_it_reads_as_what_it_is(self) -> None:
        """Settled, it is read as a list, tuple or dict of the same members."""
        a, b, c, d = (docker(name) for name in "abcd")

        class Shop:
            nodes = [a, b]
            pair = (c,)
            shards = {"eu": d}

        settle_clusters(Shop)
        for actual, expected in [
            (Shop.nodes, [a, b]),
            (Shop().nodes, [a, b]),
            (Shop.pair, (c,)),
            (Shop.shards, {"eu": d}),
        ]:
            self.assertEqual((type(expected), expected), (type(actual), actual))

    def test_members_are_sealed_and_named(self) -> None:
        """Messages call a member by attribute and place."""

        class Shop(ContainerTestCase):
            nodes = [docker("a"), docker("b")]

        self.assertEqual(["nodes-0", "nodes-1"], [each.label for each in Shop.nodes])
        with self.assertRaisesRegex(DeclarationError, r"Shop\.nodes-1 cannot be changed"):
            Shop.nodes[1].with_env("A", "b")

    def test_an_override_replaces_all_members(self) -> None:
        """A shorter list, a single declaration or nothing leaves no member of the old one."""

        class Base(ContainerTestCase):
            nodes = [docker("a"), docker("b")]
            nodes2 = docker("other")

        others: list[tuple[Any, list[str]]] = [
            ([docker("c")], ["nodes-0", "nodes2"]),
            (docker("d"), ["nodes", "nodes2"]),
            ({"x": docker("e")}, ["nodes-x", "nodes2"]),
            (omitted, ["nodes2"]),
            (None, ["nodes2"]),
        ]
        for other, expected in others:
            with self.subTest(expected=expected):
                sub = type("Sub", (Base,), {"nodes": other})
                self.assertEqual(expected, sorted(declarations_of(sub)))
        self.assertEqual(["nodes-0", "nodes-1", "nodes2"], sorted(declarations_of(Base)))

    def test_inherited(self) -> None:
        """A subclass has the members of its base, also those of a plain mixin class."""

        class Plain:
            nodes = [docker("a")]

        class Base(Plain, ContainerTestCase):
            pass

        class Sub(Base):
            pass

        for cls in (Base, Sub):
            with self.subTest(cls=cls.__name__):
                self.assertEqual({"nodes-0": Sub.nodes[0]}, declarations_of(cls))

    def test_what_is_a_cluster(self) -> None:
        """Nothing but declarations, and at least one."""
        for value in ([docker()], (docker(),), {"a": docker()}, [Network(), docker()]):
            self.assertIsInstance(cluster_of(value), Cluster)
        wrong: list[Any] = [[], (), {}, [1], {"a": 1}, {docker()}, "a", docker()]
        for value in wrong:
            with self.subTest(value=value):
                self.assertIsNone(cluster_of(value))

    def test_mixed(self) -> None:
        """A list with declarations and something else in it is refused, not passed over."""
        mixed: list[Any] = [[docker(), None], (5, docker()), {"a": docker(), "b": "c"}]
        for value in mixed:
            with self.subTest(value=value):
                self.assertRaisesRegex(DeclarationError, "of their own", cluster_of, value)


class ReferencesTest(unittest.TestCase):
    """What a reference means in one class."""

    def test_the_copy_of_the_class(self) -> None:
        """A declaration means the class's own copy of it, never itself."""

        class Shop:
            db = docker()

        replicas = replicas_of(Shop)
        self.assertIs(replicas["db"], References(Shop, replicas).resolve(Shop.db))
        self.assertIsNot(Shop.db, replicas["db"])

    def test_an_override_wins(self) -> None:
        """A reference to the base's declaration means the one that took its place."""

        class Base:
            db = docker("old")
            web = docker("web").depends_on(db)

        class Shop(Base):
            db = docker("new")

        replicas = replicas_of(Shop)
        actual = References(Shop, replicas).resolve(Base.db)
        self.assertIs(replicas["db"], actual)
        self.assertEqual("new", actual.image)

    def test_left_out(self) -> None:
        """A reference to what was left out means ``omitted``."""

        class Base:
            db = docker()

        class Shop(Base):
            db = omitted

        self.assertIs(omitted, References(Shop, replicas_of(Shop)).resolve(Base.db))

    def test_a_member_of_a_cluster(self) -> None:
        """It means the member at the same place, in an override, too."""
        first, second = docker("a"), docker("b")

        class Base(ContainerTestCase):
            nodes = [first, second]

        class Shop(Base):
            nodes = [docker("c")]

        replicas = replicas_of(Shop)
        references = References(Shop, replicas)
        self.assertIs(replicas["nodes-0"], references.resolve(first))
        self.assertIs(omitted, references.resolve(second))

    def test_declared_nowhere(self) -> None:
        """An object that no attribute holds gets one copy of its own, always the same."""

        class Shop:
            web = docker()

        other = docker("other")
        references = References(Shop, replicas_of(Shop))
        copy = references.resolve(other)
        self.assertIsNot(other, copy)
        self.assertEqual("other", copy.image)
        self.assertIs(copy, references.resolve(other))
        self.assertIsNot(copy, references.resolve(docker("other")))

    def test_already_started(self) -> None:
        """An object that runs is used as it is."""
        runs = Thing()
        runs.is_started = True
        self.assertIs(runs, References(object, {}).resolve(runs))

    def test_a_copy_means_itself(self) -> None:
        """What is a copy of this class already is not copied again."""

        class Shop:
            db = docker()

        replicas = replicas_of(Shop)
        self.assertIs(replicas["db"], References(Shop, replicas).resolve(replicas["db"]))

    def test_names(self) -> None:
        """A text or nothing means itself."""
        references = References(object, {})
        for reference in ("container:x", "net", None, omitted):
            self.assertIs(reference, references.resolve(reference))


class GraphTest(unittest.TestCase):
    """What needs what."""

    def names(self, graph: dict[Declared, list[Declared]]) -> dict[str, list[str]]:
        """A graph by the names of its members."""
        return {
            thing.label: [each.label for each in needed] for thing, needed in graph.items()
        }  # fmt: skip

    def graph(self, cls: type) -> dict[str, list[str]]:
        """The graph of a class, by attribute."""
        replicas = replicas_of(cls)
        return self.names(graph_of(replicas.values(), References(cls, replicas).resolve))

    def test_networks_dependencies_modes_and_late_values(self) -> None:
        """Each kind of reference is a need, each once."""

        class Shop:
            net = Network()
            db = docker().with_network(net).with_network_aliases("db")
            cache = docker().with_exposed_ports(6379)
            side = docker().with_network_mode(db)
            web = docker().with_network(net).with_network("there").depends_on(db, cache, db)
            job = docker().with_env("URL", cache.get_container_host_ip)
            cmd = docker().with_command(["x", db.get_container_host_ip])

        expected = {
            "net": [], "db": ["net"], "cache": [], "side": ["db"], "web": ["net", "db", "cache"],
            "job": ["cache"], "cmd": ["db"],
        }  # fmt: skip
        self.assertEqual(expected, self.graph(Shop))

    def test_left_out(self) -> None:
        """A dependency that was left out is no need any more."""

        class Base:
            db = docker()
            web = docker().depends_on(db)

        for nothing in (omitted, None):
            left = type("Left", (Base,), {"db": nothing})
            self.assertEqual({"web": []}, self.graph(left))

    def test_declared_nowhere(self) -> None:
        """What is only referenced is in the graph, with what it needs in turn."""
        deep = docker("deep")
        other = docker("other").depends_on(deep)

        class Shop:
            a = docker().depends_on(other)
            b = docker().depends_on(other, deep)

        expected = {"a": ["other"], "b": ["other", "deep"], "other": ["deep"], "deep": []}
        self.assertEqual(expected, self.graph(Shop))

    def test_what_runs_already(self) -> None:
        """It is no node: nothing waits for it and nothing stops it."""
        runs = Thing()
        runs.is_started = True
        needing = Thing(runs)
        self.assertEqual({needing: []}, graph_of([needing], lambda each: each))

    def test_by_name(self) -> None:
        """A text means the member of the set that is known as that, if there is one."""
        named = Thing(known_as="container:db")
        needing = Thing("container:db", "container:other", "host", "")
        graph = graph_of([needing, named], lambda each: each)
        self.assertEqual({needing: [named], named: []}, graph)

    def test_a_container_known_by_its_name(self) -> None:
        """``container:NAME`` waits for the declaration with this name."""

        class Shop:
            web = docker().with_network_mode("container:the-db")
            db = docker().with_name("the-db")

        self.assertEqual({"web": ["db"], "db": []}, self.graph(Shop))

    def test_each_is_prepared_once(self) -> None:
        """However often it is needed."""
        base = Thing()
        left, right = Thing(base), Thing(base)
        graph_of([left, right, base], lambda each: each)
        self.assertEqual([1, 1, 1], [each.prepared for each in (base, left, right)])

    def test_a_cycle_is_named(self) -> None:
        """Two that need each other by way of an override are named by their attributes."""

        class Base:
            db = docker()
            web = docker().depends_on(db)

        class Shop(Base):
            db = docker().depends_on(Base.web)

        replicas = replicas_of(Shop)
        graph = graph_of(replicas.values(), References(Shop, replicas).resolve)
        with self.assertRaisesRegex(CycleError, "db needs web needs db|web needs db needs web"):
            in_order(graph, lambda thing: thing.label)


class FixtureTest(unittest.TestCase):
    """The class fixture, as far as it goes without an engine."""

    def fixture(self, cls: type) -> ClassFixture:
        """The fixture of a class, with default settings."""
        return ClassFixture(cls, Settings({}, Path("/nonexistent")))

    def test_it_has_a_copy_of_each(self) -> None:
        """The copies are sealed, named, not started, and not those of another class."""

        class Base:
            db = docker("db")

        class Shop(Base):
            pass

        copies = [self.fixture(cls).started(Base.db) for cls in (Base, Shop)]
        self.assertEqual(3, len({id(each) for each in [Base.db, *copies]}))
        for each in copies:
            self.assertEqual(("db", True, False), (each.label, each._sealed, each.is_started))

    def test_one_declaration_under_several_names(self) -> None:
        """It is one container, however many attributes and lists hold it."""

        class Shop(ContainerTestCase):
            db = docker("db")
            primary = db
            web = docker("web").depends_on(db)
            every = [db, web]

        fixture = self.fixture(Shop)
        self.assertEqual(["db", "web"], [each.label for each in fixture._graph])
        self.assertIs(next(iter(fixture._graph)), fixture.started(Shop.db))

    def test_a_class_without_declarations_needs_no_engine(self) -> None:
        """Starting and stopping do nothing."""
        fixture = self.fixture(type("Empty", (), {}))
        fixture.start()
        fixture.stop()
        self.assertEqual([], fixture.things())

    def test_what_cannot_work_is_refused_before_anything_is_created(self) -> None:
        """Making the fixture already fails."""

        class Shop:
            db = docker().with_network_aliases("db")

        with self.assertRaisesRegex(DeclarationError, "db: aliases need a network"):
            self.fixture(Shop)

    def test_what_lives_longer_may_not_need_what_lives_shorter(self) -> None:
        """The error names both, their scopes, and what to do; the other way round is right."""
        for short, long in [("test", "class"), ("test", "run"), ("class", "run")]:
            with self.subTest(short=short, long=long):
                db = docker().with_scope(short)
                wrong = type(
                    "Shop", (), {"db": db, "web": docker().with_scope(long).depends_on(db)}
                )
                expected = (
                    f"web lives for the {long}, but needs db, which lives for the {short} only"
                )
                with self.assertRaisesRegex(DeclarationError, expected):
                    self.fixture(wrong)
                db = docker().with_scope(long)
                right = {"db": db, "web": docker().with_scope(short).depends_on(db)}
                self.fixture(type("Shop", (), right))

    def test_one_fixed_port_of_two_that_are_only_referenced(self) -> None:
        """What no attribute holds counts, too."""
        other = docker("other").with_bind_ports(80, 8080)

        class Shop:
            web = docker().with_bind_ports(81, 8080).depends_on(other)

        with self.assertRaisesRegex(DeclarationError, "web and other both want port 8080/tcp"):
            self.fixture(Shop)

    def test_the_attribute_reads_as_the_copy_of_the_running_class(self) -> None:
        """Through the class that runs and its instances; not through its bases or subclasses."""

        class Base:
            db = docker()

        class Shop(Base):
            pass

        class Sub(Shop):
            pass

        declaration = Base.db
        fixture = self.fixture(Shop)
        setattr(Shop, FIXTURE, fixture)
        copy = fixture.started(declaration)
        self.assertIsNot(declaration, copy)
        self.assertEqual([copy, copy], [Shop.db, Shop().db])
        self.assertEqual([declaration] * 3, [Base.db, Sub.db, Sub().db])
        fixture.stop()
        self.assertIs(declaration, Shop.db)

    def test_clusters_read_as_copies(self) -> None:
        """The members of a list are the copies while the class runs."""

        class Shop(ContainerTestCase):
            nodes = [docker("a"), docker("b")]

        before = Shop.nodes
        fixture = self.fixture(Shop)
        setattr(Shop, FIXTURE, fixture)
        self.addCleanup(fixture.stop)
        self.assertEqual([fixture.started(each) for each in before], Shop.nodes)
        self.assertNotIn(before[0], Shop.nodes)


class ParameterizedTest(unittest.TestCase):
    """Classes that ``parameterized_class`` makes."""

    def test_each_made_class_has_its_own_copies(self) -> None:
        """They share the declarations of the first class, and none of what runs."""
        made = [getattr(sys.modules[__name__], f"MadeCase_{n}_{image}") for n, image in VERSIONS]
        self.assertEqual(2, len(made))
        copies = []
        for cls in made:
            self.assertEqual({"net", "db", "nodes-0", "nodes-1"}, set(declarations_of(cls)))
            fixture = ClassFixture(cls, Settings({}, Path("/nonexistent")))
            things = {each.label: each for each in fixture._graph}
            self.assertEqual({"net", "db", "nodes-0", "nodes-1"}, set(things))
            self.assertIs(things["db"], fixture.started(cls.db))
            needed = References(cls, things).resolve(cls.db._request.attachments[0].network)
            self.assertIs(things["net"], needed)
            copies += [*things.values()]
        self.assertEqual(8, len({id(each) for each in copies}))


VERSIONS = [(0, "seven"), (1, "eight")]


@parameterized_class(("image",), [(image,) for _, image in VERSIONS])
class MadeCase(ContainerTestCase):
    """The class that others are made of; it has no tests."""

    net = Network()
    db = docker("db").with_network(net)
    nodes = [docker("a"), docker("b")]
