"""Rules that hold for any names and trees, and what loading costs."""

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from jobapp.config.keys import Environment, resolved, usual_names
from jobapp.config.sources import merge, merge_all

NUMBERS = st.sets(st.integers(0, 10**6), min_size=1)
TREES = st.recursive(
    st.integers(), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=8
).filter(lambda tree: isinstance(tree, dict))


def leaves(tree, path=()):
    """Yield the path and value of everything in *tree* that is no mapping."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name), value


@given(NUMBERS, st.randoms(use_true_random=False))
def test_numbered_keys_sort_as_numbers_whatever_the_environments_order(numbers, random):
    variables = [(f"OPENAI_API_KEY_BACKUP_{number}", f"key{number}") for number in numbers]
    random.shuffle(variables)
    found = usual_names("openai", Environment((dict(variables),)))
    assert found == tuple(f"OPENAI_API_KEY_BACKUP_{number}" for number in sorted(numbers))


@given(st.dictionaries(st.sampled_from("ABCDEF"), st.sampled_from(["x", "y", "z", " "]), max_size=6))
def test_each_value_gives_one_key_under_its_first_name(variables):
    keys = resolved("ABCDEF", Environment((variables,)))
    first: dict[str, str] = {}
    for name in sorted(variables):
        if variables[name].strip():
            first.setdefault(variables[name], name)
    assert {key.secret: key.name for key in keys} == first


@given(TREES, TREES)
def test_a_merged_tree_has_every_leaf_of_the_upper_one(over, under):
    merged = dict(leaves(merge(over, under)))
    assert merged.items() >= dict(leaves(over)).items()


@given(TREES, TREES, TREES)
def test_each_tree_lies_over_all_that_are_below_it(first, second, third):
    assert merge_all([first, second, third]) == merge(first, merge(second, third))


@given(TREES, TREES)
def test_merging_changes_neither_tree(over, under):
    before = (repr(over), repr(under))
    merge(over, under)
    assert (repr(over), repr(under)) == before


def test_what_only_a_file_needs_is_not_loaded_without_one(tmp_path):
    code = (
        "import sys; from jobapp.core.config_manager import ConfigManager; "
        f"ConfigManager(environ={{'JOBAPP_CONFIG_DIR': {str(tmp_path)!r}, 'JOBAPP_CACHE_DIR': 'x'}}); "
        "print(*sorted({'yaml', 'dotenv', 'platformdirs', 'zoneinfo', 'difflib', 'httpx', 'openai'} & {*sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
