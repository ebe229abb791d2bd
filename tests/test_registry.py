"""What a row's id depends on of a function from outside the package: its source, and all that it uses."""

import importlib.util

from bertstudy.registry import source_digest

CODE = """
LIMIT = {limit}

def helper(number):
    return number + {step}

def used_inside(ids, room):
    return [[helper(one) for one in ids if one < LIMIT][:room]]

def used_by_lambda(ids, room):
    return [sorted(ids, key=lambda one: helper(one))[:room]]

def unconcerned(ids, room):
    return [ids[:room]]
"""


def digests(folder, **values):
    path = folder / f"code_{'_'.join(map(str, values.values()))}.py"
    path.write_text(CODE.format(**values))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {name: source_digest(getattr(module, name)) for name in ("used_inside", "used_by_lambda", "unconcerned")}


def test_what_a_comprehension_or_a_lambda_uses_counts(tmp_path):
    first, other_step, other_limit = (digests(tmp_path, limit=a, step=b) for a, b in ((9, 1), (9, 2), (8, 1)))
    assert {name for name in first if first[name] != other_step[name]} == {"used_inside", "used_by_lambda"}
    assert {name for name in first if first[name] != other_limit[name]} == {"used_inside"}
