"""Each mutation of `protections` still patches existing names, and each test in its registry exists.

Without this, a rename in the product turns a mutation into a no-op or an error, which only the full run of
`./shopnow chaos --protections` would show.
"""

import ast
import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from protections import mutations
from protections.mutations import MUTATIONS
from protections.registry import PROTECTIONS
from shopnow.settings import ROOT

TREES = [ast.parse(path.read_text()) for path in Path(mutations.__file__).parent.glob("*.py")]
FUNCTIONS = {node.name: node for tree in TREES for node in tree.body if isinstance(node, ast.FunctionDef)}


def imports(function: ast.FunctionDef) -> dict[str, Any]:
    """The objects that a function imports, by the name it binds."""
    bound = {}
    for node in ast.walk(function):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module or "")
            for alias in node.names:
                try:
                    value = importlib.import_module(f"{node.module}.{alias.name}")
                except ModuleNotFoundError:
                    value = getattr(module, alias.name)
                bound[alias.asname or alias.name] = value
    return bound


def attributes(function: ast.FunctionDef) -> Iterator[tuple[Any, str]]:
    """The object and the attribute of each `imported_name.attribute` in a function."""
    bound = imports(function)
    for node in ast.walk(function):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in bound:
            yield bound[node.value.id], node.attr


def assigned(function: ast.FunctionDef) -> Iterator[tuple[Any, str]]:
    """The object and the attribute of each assignment that runs when the mutation is applied."""
    bound = imports(function)
    for statement in function.body:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
                    yield bound[target.value.id], target.attr


def helpers(function: ast.FunctionDef) -> Iterator[ast.FunctionDef]:
    """The function, and the private functions of the module that it calls."""
    yield function
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS:
            yield FUNCTIONS[node.func.id]


def patched(name: str) -> set[tuple[Any, str]]:
    """The module attributes that a mutation assigns."""
    return {target for function in helpers(FUNCTIONS[name]) for target in assigned(function)}


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_attribute_that_a_mutation_uses_exists(name):
    missing = [
        f"{getattr(owner, '__name__', owner)}.{attribute}"
        for owner, attribute in attributes(FUNCTIONS[name])
        if not hasattr(owner, attribute)
    ]
    assert missing == []


@pytest.mark.parametrize("name", sorted(MUTATIONS))
def test_a_mutation_replaces_what_it_patches_with_the_same_signature(name, monkeypatch):
    originals = {target: getattr(*target) for target in patched(name)}
    assert originals
    for (owner, attribute), original in originals.items():
        monkeypatch.setattr(owner, attribute, original)  # so that monkeypatch restores it
    MUTATIONS[name]()
    replacements = {target: getattr(*target) for target in originals}
    for target, replacement in replacements.items():
        original = originals[target]
        assert replacement is not original
        if isinstance(original, FunctionType) and isinstance(replacement, FunctionType):
            assert accepts(replacement, original), f"{target[0].__name__}.{target[1]}"


def accepts(replacement: FunctionType, original: FunctionType) -> bool:
    """True if the replacement can be called with the positional parameters of the original."""
    parameters = inspect.signature(original).parameters.values()
    positional = [p for p in parameters if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD}]
    keyword = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    try:
        inspect.signature(replacement).bind(*positional, **dict.fromkeys(keyword))
    except TypeError:
        return False
    return True


def test_only_a_mutation_that_is_applied_imports_the_product():
    imported = {
        module.partition(".")[0]
        for tree in TREES
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for module in (
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
        )
    }
    assert imported <= {"protections", *sys.stdlib_module_names}


def test_every_mutation_has_a_docstring_and_is_in_the_registry():
    assert all(mutation.__doc__ for mutation in MUTATIONS.values())
    assert {protection.mutation for protection in PROTECTIONS} == set(MUTATIONS)


@pytest.mark.parametrize("test", sorted({protection.test for protection in PROTECTIONS}))
def test_every_test_of_the_registry_exists(test):
    path, _, name = test.partition("::")
    tests = {
        node.name for node in ast.parse((ROOT / path).read_text()).body if isinstance(node, ast.FunctionDef)
    }
    assert name.partition("[")[0] in tests
