"""Tests as functions: `def test_name(t)`, with `t` a Context. Decorators give a limit or rows."""

import inspect
import os
import shutil
import tempfile

from support.ferry import Ferry

LIMIT_SECONDS = 30.0


class Failure(Exception):
    """What a test found wrong, in words for whoever reads the log."""


def limit(seconds):
    """Gives a test (each row of it) more or less time than LIMIT_SECONDS."""
    def mark(function):
        function.limit_seconds = seconds
        return function
    return mark


def needs_root(function):
    """Marks a test that does what root alone may, so that it keeps root where others give it up."""
    function.needs_root = True
    return function


def rows(table):
    """Makes a test of every row of `table`: `test_x(t, row)`; `row.id` is in the test's name."""
    def mark(function):
        function.rows = list(table)
        names = [row.id for row in function.rows]
        assert len(names) == len(set(names)), "two rows of one name"
        return function
    return mark


class Case:
    def __init__(self, name, function, row=None):
        self.name = name
        self.function = function
        self.row = row
        self.needs_root = getattr(function, "needs_root", False)
        self.limit_seconds = getattr(function, "limit_seconds", LIMIT_SECONDS)

    def run(self, context):
        if self.row is None:
            self.function(context)
        else:
            self.function(context, self.row)


def cases_in(module):
    """The tests of an imported module, in the order they are written."""
    functions = [f for name, f in vars(module).items()
                 if name.startswith("test_") and inspect.isfunction(f)]
    cases = []
    for function in sorted(functions, key=lambda f: f.__code__.co_firstlineno):
        name = function.__name__[len("test_"):]
        if hasattr(function, "rows"):
            cases += [Case(f"{name}[{row.id}]", function, row) for row in function.rows]
        else:
            cases.append(Case(name, function))
    return cases


class Context:
    """What one test may use. Everything it started is stopped when it ends."""

    def __init__(self, settings, module_folder, shared):
        self.settings = settings
        self._module_folder = module_folder
        self._shared = shared
        self._servers = []
        self._to_close = []
        self._folders = []
        self.told = []

    @property
    def binary(self):
        return self.settings.ferry

    @property
    def is_long(self):
        """True when a test is to do as much as its long form does (run.py --long)."""
        return self.settings.is_long

    def tell(self, line):
        """Something measured, for whoever runs the long forms or wants to see all (-v)."""
        self.told.append(line)

    def tmp(self, place=None):
        """A new empty directory, in `place` if that is given, removed when the test ends."""
        path = tempfile.mkdtemp(prefix="t-", dir=place or self._module_folder)
        os.chmod(path, 0o755)  # Some tests run the server as another user.
        self._folders.append(path)
        return path

    def ferry(self, root, *flags, starts=True, **options):
        """Starts the server for this test; at the end it must stop at once and with status 0."""
        server = Ferry(self.settings.ferry, root, flags, log_folder=self._module_folder,
                       io=self.settings.io, **options)
        self._servers.append(server)
        if starts:
            server.start()
        return server

    def closing(self, thing):
        """Closes `thing` when the test ends, before its servers are stopped."""
        self._to_close.append(thing)
        return thing

    def shared(self, make):
        """What `make(maker)` returns, made once for all tests of the module; `maker` has `tmp` and
        `ferry`, whose folders and servers last as long as the module."""
        if make not in self._shared.made:
            self._shared.made[make] = make(self._shared.context)
        return self._shared.made[make]

    def logs(self):
        servers = self._servers + (self._shared.context._servers if self._shared else [])
        return "\n".join(server.log() for server in servers if server.log())

    def check_servers(self):
        """Fails when a server has died: also the one the module shares."""
        for server in self._shared.context._servers:
            server.check_alive()

    def close(self, orderly):
        """Undoes what the test did. `orderly`: servers are asked to stop and must do so well."""
        trouble = []
        for thing in reversed(self._to_close):
            try:
                thing.close()
            except OSError:
                pass  # A socket the server has already reset.
        for server in reversed(self._servers):
            try:
                if orderly:
                    server.stop()
            except Exception as error:  # The next server is to be stopped too.
                trouble.append(f"{error}\n{server.log()}")
            finally:
                server.kill()
        if not self.settings.keep:
            for path in self._folders:
                shutil.rmtree(path, ignore_errors=True)
        self._to_close, self._servers, self._folders = [], [], []
        if trouble:
            raise Failure("\n".join(trouble))


class Shared:
    """What the tests of a module share."""

    def __init__(self, settings, module_folder):
        self.made = {}
        self.context = Context(settings, module_folder, None)
