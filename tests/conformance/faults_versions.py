"""Faults in entity-tags and conditional requests."""

from __future__ import annotations

from tests.conformance.planted import Answered, Asked, Serve, caught_by


def _conditions_dropped(asked: Asked, *names: str) -> Asked:
    return asked.but(headers={name: value for name, value in asked.headers.items() if name not in names})


def _header(asked: Asked, name: str, value: str) -> Asked:
    return asked.but(headers={**asked.headers, name: value})


@caught_by("rfc7644/3.14/etag-of-get")
def no_etag_on_get(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.method == "GET":
        answered.headers.pop("etag", None)
    return answered


@caught_by("rfc7644/3.14/etag-of-post")
def no_etag_on_post(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.method == "POST":
        answered.headers.pop("etag", None)
    return answered


@caught_by("rfc7644/3.14/etag-of-put")
def put_answers_the_old_etag(asked: Asked, serve: Serve) -> Answered:
    before = serve(asked.but(method="GET", body=None)) if asked.method == "PUT" else None
    answered = serve(asked)
    if before is not None:
        answered.headers["etag"] = before.headers["etag"]
    return answered


@caught_by("rfc7644/3.14/etag-form")
def etag_without_quotes(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if "etag" in answered.headers:
        answered.headers["etag"] = answered.headers["etag"].removeprefix("W/").strip('"')
    return answered


@caught_by("rfc7644/3.14/meta-version")
def meta_version_without_the_weak_mark(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    for each in answered.resources:
        if "version" in each.get("meta", {}):
            each["meta"]["version"] = each["meta"]["version"].removeprefix("W/")
    return answered


@caught_by("rfc7644/3.14/version-in-lists")
def lists_leave_versions_out(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if not asked.of_one:
        for each in answered.resources:
            each.get("meta", {}).pop("version", None)
    return answered


@caught_by("rfc7644/3.14/version-moves")
def the_version_never_moves(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if "etag" in answered.headers:
        answered.headers["etag"] = 'W/"1"'
    return answered


@caught_by("rfc7644/3.14/version-of-group")
def members_do_not_count_for_the_version(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.kind == "Groups" and "etag" in answered.headers:
        answered.headers["etag"] = f'W/"{asked.path}"'
    return answered


_COUNT = [0]


@caught_by("rfc7644/3.14/version-stays")
def every_answer_has_a_version_of_its_own(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if "etag" in answered.headers:
        _COUNT[0] += 1
        answered.headers["etag"] = f'W/"{_COUNT[0]}"'
    return answered


@caught_by("rfc7644/3.14/if-none-match")
def if_none_match_is_ignored(asked: Asked, serve: Serve) -> Answered:
    return serve(_conditions_dropped(asked, "if-none-match"))


@caught_by("rfc7644/3.14/if-none-match-old")
def if_none_match_is_always_met(asked: Asked, serve: Serve) -> Answered:
    return serve(_header(asked, "if-none-match", "*") if "if-none-match" in asked.headers else asked)


@caught_by("rfc7644/3.14/if-none-match-several")
def if_none_match_looks_at_the_first_only(asked: Asked, serve: Serve) -> Answered:
    return serve(_header(asked, "if-none-match", asked.headers.get("if-none-match", "").split(",")[0]))


@caught_by("rfc7644/3.14/if-none-match-weak")
def if_none_match_is_compared_as_text(asked: Asked, serve: Serve) -> Answered:
    known = asked.headers.get("if-none-match")
    if known and not known.startswith("W/"):
        asked = _conditions_dropped(asked, "if-none-match")
    return serve(asked)


@caught_by("rfc7644/3.14/if-none-match-any")
def if_none_match_any_is_ignored(asked: Asked, serve: Serve) -> Answered:
    return serve(_conditions_dropped(asked, "if-none-match") if asked.headers.get("if-none-match") == "*" else asked)


@caught_by("rfc7644/3.14/if-none-match-write")
def if_none_match_is_for_reading_only(asked: Asked, serve: Serve) -> Answered:
    return serve(_conditions_dropped(asked, "if-none-match") if asked.method != "GET" else asked)


@caught_by("rfc7644/3.14/not-modified-has-etag")
def not_modified_without_etag(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if answered.status == 304:
        answered.headers.pop("etag", None)
    return answered


@caught_by("rfc7644/3.14/if-match-patch-old")
def patch_ignores_if_match(asked: Asked, serve: Serve) -> Answered:
    return serve(_conditions_dropped(asked, "if-match") if asked.method == "PATCH" else asked)


@caught_by("rfc7644/3.14/if-match-put-old")
def put_ignores_if_match(asked: Asked, serve: Serve) -> Answered:
    return serve(_conditions_dropped(asked, "if-match") if asked.method == "PUT" else asked)


@caught_by("rfc7644/3.14/if-match-delete-old")
def delete_ignores_if_match(asked: Asked, serve: Serve) -> Answered:
    return serve(_conditions_dropped(asked, "if-match") if asked.method == "DELETE" else asked)


@caught_by("rfc7644/3.14/if-match-group")
def groups_ignore_if_match(asked: Asked, serve: Serve) -> Answered:
    return serve(_conditions_dropped(asked, "if-match") if asked.kind == "Groups" else asked)


@caught_by("rfc7644/3.14/if-match-412")
def a_stale_write_is_a_conflict(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if answered.status == 412:
        answered.status, answered.body["status"] = 409, "409"
    return answered


@caught_by("rfc7644/3.14/if-match-several")
def if_match_looks_at_the_first_only(asked: Asked, serve: Serve) -> Answered:
    first = asked.headers.get("if-match", "").split(",")[0]
    return serve(_header(asked, "if-match", first))


@caught_by("rfc7644/3.14/if-match-none-of-several")
def if_match_of_several_is_always_met(asked: Asked, serve: Serve) -> Answered:
    return serve(_conditions_dropped(asked, "if-match") if "," in asked.headers.get("if-match", "") else asked)


@caught_by("rfc7644/3.14/if-match-any")
def if_match_any_is_a_version_nobody_has(asked: Asked, serve: Serve) -> Answered:
    return serve(_header(asked, "if-match", '"*"') if asked.headers.get("if-match") == "*" else asked)


@caught_by("rfc7644/3.14/if-match-weak")
def weak_tags_never_match(asked: Asked, serve: Serve) -> Answered:
    return serve(_header(asked, "if-match", '"-"') if asked.headers.get("if-match", "").startswith("W/") else asked)


@caught_by("rfc7644/3.14/if-match-patch-old")
def the_version_is_checked_after_the_write(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if answered.status == 412:
        serve(_conditions_dropped(asked, "if-match"))
    return answered


@caught_by("rfc7644/3.14/two-writers-patch")
def both_patches_at_once_win(asked: Asked, serve: Serve) -> Answered:
    return patch_ignores_if_match(asked, serve)


@caught_by("rfc7644/3.14/two-writers-put")
def both_puts_at_once_win(asked: Asked, serve: Serve) -> Answered:
    return put_ignores_if_match(asked, serve)


@caught_by("rfc7644/3.14/two-writers-group")
def both_new_members_at_once_win(asked: Asked, serve: Serve) -> Answered:
    return groups_ignore_if_match(asked, serve)
