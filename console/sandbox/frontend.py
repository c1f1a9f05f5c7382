"""Build the platform's frontend: its modules become one bundle, as `vite build` makes it. Pure.

It joins the modules in the order in which they need each other, and checks that what is imported is exported. It does
not translate TypeScript: nobody runs the bundle.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import posixpath
import re
from collections.abc import Mapping

ROOT = "frontend"
_SCRIPT = re.compile(r'<script type="module" src="/([^"]+)"></script>')
_IMPORT = re.compile(r"^import \{([^}]*)\} from '(\.[^']*)';\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const|let|class) (\w+))", re.MULTILINE)


class BuildFailed(Exception):
    """What the bundler says, as it says it."""


def build(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of `dist/` by their path there; `files` are the repository's. Raises BuildFailed."""
    page = _read(files, f"{ROOT}/index.html")
    script = _SCRIPT.search(page)
    if script is None:
        raise BuildFailed(f"{ROOT}/index.html has no module script")
    modules: dict[str, str] = {}
    _collect(files, f"{ROOT}/{script[1]}", modules)
    bundle = "\n".join(modules.values()).encode()
    digest = base64.urlsafe_b64encode(hashlib.sha256(bundle).digest())[:8].decode()
    asset = f"assets/index-{digest}.js"
    page = page.replace(script[0], f'<script type="module" crossorigin src="./{asset}"></script>')
    return {"index.html": page.encode(), asset: bundle}


def report(dist: Mapping[str, bytes], modules: int) -> str:
    """What the bundler tells of a build that succeeded; sizes in kB (1000 bytes)."""
    width = max(len(path) for path in dist) + len("dist/")
    lines = [f"✓ {modules} modules transformed."]
    for path, content in dist.items():
        packed = len(gzip.compress(content, mtime=0)) / 1000
        lines.append(f"{'dist/' + path:<{width}}  {len(content) / 1000:.2f} kB │ gzip: {packed:.2f} kB")
    return "\n".join(lines)


def headers(files: Mapping[str, bytes], path: str) -> dict[str, str]:
    """What vercel.json adds to the answer for a path."""
    try:
        rules = json.loads(files.get("vercel.json", b"{}")).get("headers", [])
        return {
            h["key"].lower(): h["value"]
            for rule in rules
            if re.fullmatch(rule["source"], path)
            for h in rule["headers"]
        }
    except (ValueError, TypeError, KeyError, AttributeError, re.error) as error:
        raise BuildFailed(f"Invalid vercel.json: {error}") from None


def _collect(files: Mapping[str, bytes], path: str, modules: dict[str, str]) -> set[str]:
    """Add a module after those that it imports; the names that it exports."""
    source = _read(files, path)
    exported = set(_EXPORT.findall(source))
    if path in modules:
        return exported
    modules[path] = ""  # modules may import each other in a circle
    for match in _IMPORT.finditer(source):
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), match[2])) + ".ts"
        line = source.count("\n", 0, match.start()) + 1
        if target not in files:
            raise BuildFailed(f'Could not resolve "{match[2]}" from "{path}" ({line}:0)')
        known = _collect(files, target, modules)
        for name in filter(None, (n.strip() for n in match[1].split(","))):
            if name not in known:
                column = match[0].index(name)
                raise BuildFailed(
                    f'{path} ({line}:{column}): "{name}" is not exported by "{target}", imported by "{path}".'
                )
    del modules[path]
    modules[path] = _EXPORT.sub("", _IMPORT.sub("", source)).strip()
    return exported


def _read(files: Mapping[str, bytes], path: str) -> str:
    try:
        return files[path].decode()
    except KeyError:
        raise BuildFailed(f"Could not resolve entry module ({path})") from None
    except UnicodeDecodeError:
        raise BuildFailed(f"{path} is not UTF-8") from None
