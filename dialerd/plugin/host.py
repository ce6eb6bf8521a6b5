"""The plugin host: loads plugins, asks each for what it offers, and makes the providers of the configured trunks.

A plugin that cannot be loaded, or that fails when it is asked, is logged and kept in mind; the others work, and only a
trunk that asks for what it should have offered is at fault. A screen is another matter: where a plugin has one that
cannot be had, every call is held, because nobody can tell whom it would have spared. There is no global plugin manager:
each host has its own.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs
import pluggy
import structlog
from attrs import evolve, frozen

from dialerd.model.errors import Fault, InvalidInput, PluginError
from dialerd.model.settings import Settings, TrunkSettings
from dialerd.model.structuring import structure
from dialerd.model.wording import dotted
from dialerd.plugin import hookspecs
from dialerd.plugin.dialect import Dialect
from dialerd.plugin.hookspecs import Notifier, ProviderFactory, Screen, Veto
from dialerd.plugin.provider import CallOrder, Provider, TrunkSite
from dialerd.plugin.raised import spare_ctrl_c, words
from dialerd.plugin.signing import Signer, refusing
from dialerd.plugin.sites import site_of
from dialerd.plugin.terms import objection_to, on_terms, trunks_of

ENTRY_POINTS: Final = "dialerd"
"""The entry-point group by which plugins are found, and pluggy's name for the project."""

_SCREEN: Final = "dialerd_screen"
_SIGN: Final = "dialerd_sign"
_PLACE: Final = re.compile(r"\{\w*\}")

T = TypeVar("T")

_log = structlog.get_logger()


@frozen
class BrokenPlugin:
    """A plugin that does not do what it should.

    Args:
        plugin: its name: of its entry point, or as it was registered.
        target: what its entry point names, as `package.module`; its own name where it was registered directly.
        problem: what happened, with the kind of the error.
        holds: True where its screen could not be had, so that every call is held.
    """

    plugin: str
    target: str
    problem: str
    holds: bool = False


class PluginHost:
    """The plugins of one daemon.

    Args:
        extra: plugins to register besides: modules or objects with hook implementations.
        entry_points: whether to load the installed ones too.
    """

    def __init__(self, extra: Iterable[object] = (), *, entry_points: bool = True) -> None:
        self._manager = pluggy.PluginManager(ENTRY_POINTS)
        self._manager.add_hookspecs(hookspecs)
        self._targets: dict[str, str] = {}
        self._broken: dict[tuple[str, str], BrokenPlugin] = {}
        if entry_points:
            self._load_installed()
        for plugin in extra:
            name = getattr(plugin, "__name__", None) or type(plugin).__name__
            self._register(plugin, self._free(name), name)
        self._factories = self._ask_for_providers()

    @property
    def broken(self) -> tuple[BrokenPlugin, ...]:
        """What could not be loaded or failed when asked, for `check-config` and the log."""
        return tuple(self._broken.values())

    def providers(self) -> Mapping[str, ProviderFactory]:
        """Return how to make each provider, by its name."""
        return dict(self._factories)

    def screens(self) -> Mapping[str, Screen]:
        """Return what is asked about each call before it leaves, by plugin.

        For a plugin whose screen could not be had stands one that holds every call.
        """
        screens = {name: screen for name, screen in self._ask(_SCREEN, _callable) if screen is not None}
        return screens | {broken.plugin: _holding(broken) for broken in self._broken.values() if broken.holds}

    def notifiers(self) -> Mapping[str, Notifier]:
        """Return what is told every notice, by plugin."""
        return {name: told for name, told in self._ask("dialerd_notify", _callable) if told is not None}

    def signer(self) -> Signer | None:
        """Return what signs caller ids, or None; where a plugin's could not be had, one that always raises."""
        offered = [(name, signer) for name, signer in self._ask(_SIGN, _callable) if signer is not None]
        for name, _ in offered[1:]:
            self._note_broken(name, self._targets[name], f"offers a signer, and {offered[0][0]} has one already")
        failed = next((broken for broken in self.broken if broken.problem.startswith(f"failed in {_SIGN}:")), None)
        if failed is not None:
            return refusing(f"plugin {failed.plugin} {failed.problem}")
        return offered[0][1] if offered else None

    def dialects(self) -> Sequence[Dialect]:
        """Return the request dialects, in the order of their plugins' names.

        Of two with one name, or with a method and path in common, the first.
        """
        known: dict[str, Dialect] = {}
        places: set[tuple[str, str]] = set()
        for plugin, offered in self._ask("dialerd_dialects", _dialects):
            for dialect in offered:
                if dialect.name in known:
                    problem = f"offers the dialect {dialect.name!r}, which another plugin offers already"
                    self._note_broken(plugin, self._targets[plugin], problem)
                    continue
                own = [(route.method, _PLACE.sub("{}", route.path)) for route in dialect.routes]
                taken = next((at for index, at in enumerate(own) if at in places or at in own[:index]), None)
                if taken is not None:
                    problem = f"offers {' '.join(taken)} in the dialect {dialect.name!r}, which is offered already"
                    self._note_broken(plugin, self._targets[plugin], problem)
                    continue
                places.update(own)
                known[dialect.name] = dialect
        return tuple(known.values())

    def ask_all(self) -> tuple[BrokenPlugin, ...]:
        """Ask every plugin for all it offers, and return what could not be loaded or failed."""
        self.screens()
        self.notifiers()
        self.signer()
        self.dialects()
        return self.broken

    def check_trunks(self, settings: Settings) -> list[Fault]:
        """Return every fault in the trunks: providers that nobody offers, options that theirs refuse, terms unknown.

        Args:
            settings: the daemon's settings.
        """
        faults: list[Fault] = []
        for name, trunk in settings.trunks.items():
            try:
                self._on_terms(name, trunk)
            except InvalidInput as invalid:
                faults.extend(invalid.faults)
        return faults

    def check_agents(self, settings: Settings) -> list[Fault]:
        """Return a fault for every agent that cannot speak in calls of a trunk that it may get.

        Args:
            settings: the daemon's settings; trunks with faults of their own are left out.
        """
        faults: list[Fault] = []
        options = {name: self._sound_options(name, trunk) for name, trunk in settings.trunks.items()}
        for name, agent in settings.agents.items():
            for trunk_name in trunks_of(agent, settings):
                if options.get(trunk_name) is not None:
                    factory = self._factories[settings.trunks[trunk_name].provider]
                    site = site_of(trunk_name, settings)
                    fault = objection_to(factory, options[trunk_name], site, name, agent)
                    faults += [] if fault is None else [fault]
        return faults

    def paced(self, settings: Settings) -> Settings:
        """Return settings in which trunks have the pace that their providers' carriers take, and their accounts.

        Args:
            settings: the daemon's settings.

        Raises:
            InvalidInput: a trunk has faults.
        """
        trunks = {name: self._on_terms(name, trunk) for name, trunk in settings.trunks.items()}
        return evolve(settings, trunks=trunks)

    def written_files(self, settings: Settings) -> list[tuple[str, Path]]:
        """Return the files that trunks' providers write: the options with the metadata `written`, by their places.

        Args:
            settings: the daemon's settings.

        Raises:
            InvalidInput: a trunk has faults.
        """
        return self._places(settings, "written")

    def filled_folders(self, settings: Settings) -> list[tuple[str, Path]]:
        """Return the folders that trunks' providers make and fill: the options with the metadata `filled`.

        Args:
            settings: the daemon's settings.

        Raises:
            InvalidInput: a trunk has faults.
        """
        return self._places(settings, "filled")

    def _places(self, settings: Settings, mark: str) -> list[tuple[str, Path]]:
        return [
            (dotted("trunks", (name, "options", field.name)), Path(place))
            for name, trunk in settings.trunks.items()
            for options in [self._options(name, trunk)]
            for field in attrs.fields(type(options))
            if field.metadata.get(mark) and isinstance(place := getattr(options, field.name), Path | str)
        ]

    def make_provider(self, site: TrunkSite, trunk: TrunkSettings) -> Provider:
        """Make the provider of a trunk; it is not entered yet.

        Args:
            site: the trunk's site.
            trunk: its settings.

        Raises:
            InvalidInput: nobody offers its provider, or its options have faults.
            PluginError: the plugin failed to make it.
        """
        options = self._options(site.name, trunk)
        try:
            return self._factories[trunk.provider].make(evolve(site, sign=self.signer()), options)
        except InvalidInput:
            raise
        except BaseException as error:
            spare_ctrl_c(error)
            raise PluginError(
                f"provider {trunk.provider} could not be made for trunk {site.name}: {words(error)}"
            ) from error

    def _on_terms(self, trunk_name: str, trunk: TrunkSettings) -> TrunkSettings:
        options = self._options(trunk_name, trunk)
        try:
            return on_terms(self._factories[trunk.provider], options, trunk)
        except PluginError as error:
            path = dotted("trunks", (trunk_name, "options"))
            raise InvalidInput([Fault(path, f"{error}; report it to its author")]) from error

    def _sound_options(self, trunk_name: str, trunk: TrunkSettings) -> Any | None:
        try:
            return self._options(trunk_name, trunk)
        except InvalidInput:
            return None

    def _options(self, trunk_name: str, trunk: TrunkSettings) -> Any:
        factory = self._factories.get(trunk.provider)
        if factory is None:
            raise InvalidInput([Fault(dotted("trunks", (trunk_name, "provider")), self._nobody(trunk.provider))])
        path = dotted("trunks", (trunk_name, "options"))
        try:
            return structure(trunk.options, factory.options, path=path)
        except InvalidInput:
            raise
        except BaseException as error:
            spare_ctrl_c(error)
            # The class of the options is the plugin's own, and so are its converters and validators.
            message = f"cannot be read by the provider {trunk.provider!r}: {words(error)}; report it to its author"
            raise InvalidInput([Fault(path, message)]) from error

    def _nobody(self, provider: str) -> str:
        """Say that nobody offers a provider, and why that may be."""
        suspects = [
            broken
            for broken in self._broken.values()
            if provider in (broken.plugin, broken.target) or broken.target.endswith(f"_{provider}")
        ]
        message = f"no plugin offers the provider {provider!r}"
        if suspects:
            reasons = "; ".join(f"plugin {broken.plugin} {broken.problem}" for broken in suspects)
            return f"{message}: {reasons}"
        if near := get_close_matches(provider, self._factories, n=1):
            return f"{message}; did you mean {near[0]!r}?"
        known = ", ".join(sorted(self._factories)) or "none"
        message += f"; known are: {known}. install the plugin that offers it into dialerd's environment"
        if self._broken:
            reasons = "; ".join(f"plugin {broken.plugin} {broken.problem}" for broken in self._broken.values())
            message += f", or mend what failed: {reasons}"
        return message

    def _load_installed(self) -> None:
        # pluggy's own loader stops at the first plugin that cannot be imported.
        for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: entry.name):
            if entry.name in self._targets:
                self._note_broken(entry.name, entry.value, "is installed twice; only the first is used")
                continue
            try:
                plugin = entry.load()
            except BaseException as error:  # noqa: BLE001  # a module may raise anything when imported
                spare_ctrl_c(error)
                self._note_broken(entry.name, entry.value, f"cannot be imported: {words(error)}", error)
                continue
            self._register(plugin, entry.name, entry.value)

    def _register(self, plugin: object, name: str, target: str) -> None:
        if self._manager.is_registered(plugin):
            return  # installed, and handed over besides
        try:
            self._manager.register(plugin, name)
            self._manager.check_pending()
        except (ValueError, pluggy.PluginValidationError) as error:
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)
            # a misspelled hook may have been meant for a screen, and then its calls must not leave unscreened
            holds = any(attribute.startswith(_SCREEN) for attribute in dir(plugin))
            self._note_broken(name, target, f"cannot be registered: {error}", error, holds=holds)
            return
        self._targets[name] = target

    def _free(self, name: str) -> str:
        taken = sum(known == name or known.startswith(f"{name}#") for known in self._targets)
        return f"{name}#{taken + 1}" if taken else name

    def _ask_for_providers(self) -> dict[str, ProviderFactory]:
        factories: dict[str, ProviderFactory] = {}
        for plugin, offers in self._ask("dialerd_providers", _factories):
            for factory in offers:
                if factory.name in factories:
                    problem = f"offers the provider {factory.name!r}, which another plugin offers already"
                    self._note_broken(plugin, self._targets[plugin], problem)
                    continue
                factories[factory.name] = factory
        return factories

    def _ask(self, hook: str, check: Callable[[Any], T]) -> list[tuple[str, T]]:
        """Call one hook of each plugin on its own; return the answers of those that gave a proper one."""
        answers = []
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            name = implementation.plugin_name
            try:
                answers.append((name, check(implementation.function())))
            except BaseException as error:  # noqa: BLE001  # a third party's code may raise anything
                spare_ctrl_c(error)
                problem = f"failed in {hook}: {words(error)}"
                self._note_broken(name, self._targets[name], problem, error, holds=hook == _SCREEN)
        return answers

    def _note_broken(
        self, name: str, target: str, problem: str, error: BaseException | None = None, *, holds: bool = False
    ) -> None:
        known = self._broken.get((name, problem))
        self._broken[name, problem] = BrokenPlugin(name, target, problem, holds)
        if known is None:  # once, though the hooks may be asked again
            _log.error(
                "plugin.broken",
                plugin=name,
                target=target,
                problem=problem,
                holds_every_call=holds,
                remedy="mend the plugin or uninstall it, then restart dialerd",
                exc_info=error,
            )


def _holding(broken: BrokenPlugin) -> Screen:
    """Return what stands for a screen that could not be had."""
    veto = Veto(reason=f"the screen of plugin {broken.plugin} could not be had: {broken.problem}; mend it, and restart")

    async def hold(_order: CallOrder, /) -> Veto:
        return veto

    return hold


def _callable(answer: Any) -> Any:
    if answer is not None and not callable(answer):
        raise PluginError(
            f"it returned {type(answer).__name__}, which cannot be called; return an async function or None"
        )
    return answer


def _factories(answer: Any) -> tuple[ProviderFactory, ...]:
    factories = tuple(answer)
    for factory in factories:
        if not isinstance(factory, ProviderFactory):
            raise PluginError(f"it returned {type(factory).__name__}; return an iterable of ProviderFactory")
    return factories


def _dialects(answer: Any) -> tuple[Dialect, ...]:
    dialects = tuple(answer)
    for dialect in dialects:
        if not isinstance(dialect, Dialect):
            raise PluginError(f"it returned {type(dialect).__name__}; return an iterable of Dialect")
    return dialects
