"""Faults in errors, credentials, media types, /Me and protocol versions."""

from __future__ import annotations

from typing import Any

from tests.conformance.planted import Answered, Asked, Serve, caught_by

SCIM = {"content-type": "application/scim+json"}


def _kind_lost(asked: Asked, serve: Serve, kind: str) -> Answered:
    answered = serve(asked)
    if answered.status >= 400 and answered.body.get("scimType") == kind:
        del answered.body["scimType"]
    return answered


def _as_though_by(asked: Asked, **headers: str) -> Asked:
    return asked.but(headers={**asked.headers, **headers})


@caught_by("rfc7644/3.12/not-found")
def not_found_has_a_page_for_people(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if answered.status == 404:
        answered.body, answered.headers["content-type"] = "Not found", "text/html"
    return answered


@caught_by("rfc7644/3.12/unknown-endpoint")
def unknown_endpoints_have_an_error_of_the_framework(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if answered.status == 404 and asked.kind not in ("Users", "Groups"):
        answered.body = {"error": "Not Found", "path": asked.path}
    return answered


@caught_by("rfc7644/3.12/method-not-allowed")
def method_not_allowed_is_bare(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if answered.status == 405:
        answered.body = None
    return answered


@caught_by("rfc7644/8.1/unsupported-type")
def unsupported_types_are_refused_bare(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if answered.status == 415:
        answered.body = None
    return answered


@caught_by("rfc7644/3.12/status-as-string")
def status_of_errors_is_a_number(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if answered.status >= 400:
        answered.body["status"] = answered.status
    return answered


@caught_by("rfc7644/3.12/schemas")
def errors_have_the_urn_of_version_one(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if answered.status >= 400:
        answered.body["schemas"] = ["urn:scim:schemas:core:1.0"]
    return answered


@caught_by("rfc7644/3.12/detail")
def errors_say_nothing(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if answered.status >= 400:
        del answered.body["detail"]
    return answered


@caught_by("rfc7644/3.12/media-type")
def errors_are_plain_json(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if answered.status >= 400:
        answered.headers["content-type"] = "application/json"
    return answered


@caught_by("rfc7644/3.12/no-internals")
def errors_hold_a_traceback(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if answered.status == 400:
        answered.body["detail"] = 'Traceback (most recent call last):\n  File "app.py", line 3, in post'
    return answered


@caught_by("rfc7644/3.12/unparsable")
def unparsable_bodies_break_the_server(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.raw and asked.body is None:
        answered.status, answered.body["status"] = 500, "500"
    return answered


@caught_by("rfc7644/3.12/uniqueness")
def uniqueness_is_not_named(asked: Asked, serve: Serve) -> Answered:
    return _kind_lost(asked, serve, "uniqueness")


@caught_by("rfc7644/3.12/invalid-filter")
def invalid_filters_find_nothing(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if answered.status == 400 and "filter" in asked.query:
        return serve(asked.but(query={"count": "0"}))
    return answered


@caught_by("rfc7644/3.12/invalid-syntax")
def invalid_syntax_is_not_named(asked: Asked, serve: Serve) -> Answered:
    return _kind_lost(asked, serve, "invalidSyntax")


@caught_by("rfc7644/3.12/invalid-path")
def invalid_path_is_not_named(asked: Asked, serve: Serve) -> Answered:
    return _kind_lost(asked, serve, "invalidPath")


@caught_by("rfc7644/3.12/no-target")
def a_replace_without_a_target_succeeds(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if answered.status == 400 and answered.body.get("scimType") == "noTarget":
        return Answered(status=204, headers={}, body=None)
    return answered


@caught_by("rfc7644/3.12/no-target-remove")
def no_target_is_not_named(asked: Asked, serve: Serve) -> Answered:
    return _kind_lost(asked, serve, "noTarget")


@caught_by("rfc7644/3.12/mutability")
def mutability_is_not_named(asked: Asked, serve: Serve) -> Answered:
    return _kind_lost(asked, serve, "mutability")


@caught_by("rfc7644/3.12/invalid-value-patch")
def invalid_value_is_not_named(asked: Asked, serve: Serve) -> Answered:
    return _kind_lost(asked, serve, "invalidValue")


@caught_by("rfc7644/3.12/nothing-made")
def wrong_attributes_are_dropped(asked: Asked, serve: Serve) -> Answered:
    if asked.method == "POST" and isinstance(asked.body, dict) and isinstance(asked.body.get("name"), str):
        serve(asked.but(body={name: value for name, value in asked.body.items() if name != "name"}))
    return serve(asked)


@caught_by("rfc7644/3.11/me")
def me_has_no_location(asked: Asked, serve: Serve) -> Answered:
    if asked.path != "/Me":
        return serve(asked)
    config = serve(asked.but(path="/ServiceProviderConfig"))
    return Answered(status=200, headers=SCIM, body={"id": "me", "meta": config.body["meta"]})


@caught_by("rfc7644/3.13/v9")
def any_protocol_version_will_do(asked: Asked, serve: Serve) -> Answered:
    return serve(asked.but(path="/Users") if asked.path.endswith("/v9/Users") else asked)


@caught_by("rfc7644/2/challenge")
def no_challenge_with_401(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    answered.headers.pop("www-authenticate", None)
    return answered


_KNOWN: dict[str, str] = {}  # the token that was seen last, as a careless cache would keep it


def _let_in(asked: Asked, serve: Serve, *, where: bool) -> Answered:
    answered = serve(asked)
    if answered.status != 401:
        _KNOWN["token"] = asked.headers["authorization"]
        return answered
    return serve(_as_though_by(asked, authorization=_KNOWN["token"])) if where else answered


@caught_by("rfc7644/2/wrong-token")
def any_token_will_do(asked: Asked, serve: Serve) -> Answered:
    return _let_in(asked, serve, where=asked.headers.get("authorization", "").startswith("Bearer wrong"))


@caught_by("rfc7644/2/tampered-token")
def tokens_are_checked_for_reads_only(asked: Asked, serve: Serve) -> Answered:
    return _let_in(asked, serve, where=asked.method != "GET")


@caught_by("rfc7644/2/no-credentials")
def reading_needs_no_credentials(asked: Asked, serve: Serve) -> Answered:
    return _let_in(asked, serve, where=asked.method == "GET")


@caught_by("rfc7644/7.6/no-credentials-bulk")
def bulk_needs_no_credentials(asked: Asked, serve: Serve) -> Answered:
    return _let_in(asked, serve, where=asked.kind == "Bulk")


@caught_by("rfc7644/2/basic")
def any_basic_credentials_will_do(asked: Asked, serve: Serve) -> Answered:
    return _let_in(asked, serve, where=asked.headers.get("authorization", "").startswith("Basic"))


@caught_by("rfc7644/7.4/token-in-query")
def the_token_may_be_in_the_url(asked: Asked, serve: Serve) -> Answered:
    token = asked.query.get("access_token")
    return serve(_as_though_by(asked, authorization=f"Bearer {token}") if token else asked)


@caught_by("rfc7644/2/scheme-in-any-case")
def the_scheme_is_case_sensitive(asked: Asked, serve: Serve) -> Answered:
    small = asked.headers.get("authorization", "").startswith("bearer")
    return serve(_as_though_by(asked, authorization="none") if small else asked)


def _with_password(asked: Asked, answered: Answered) -> Answered:
    given: Any = asked.body.get("password", "secret") if isinstance(asked.body, dict) else "secret"
    for each in answered.resources:
        each["password"] = given
    return answered


@caught_by("rfc7644/7.5/password-of-post")
def passwords_are_echoed_by_post(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    return _with_password(asked, answered) if asked.method == "POST" else answered


@caught_by("rfc7644/7.5/password-in-lists")
def passwords_are_listed_when_asked_for(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    return _with_password(asked, answered) if "password" in asked.query.get("attributes", "") else answered


@caught_by("rfc7644/7.1/no-user-information")
def locations_hold_credentials(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    for each in answered.resources:
        each["meta"]["location"] = each["meta"]["location"].replace("://", "://scim:secret@")
    return answered


@caught_by("rfc7644/3.8/utf-8")
def text_beyond_ascii_becomes_question_marks(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    for each in answered.resources:
        if "displayName" in each:
            each["displayName"] = each["displayName"].encode("ascii", "replace").decode()
    return answered


@caught_by("rfc7644/3.8/accept-json")
def json_is_not_acceptable(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.headers.get("accept") == "application/json":
        error = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "406"}
        return Answered(status=406, headers=SCIM, body=error)
    return answered


@caught_by("rfc7644/3.8/accept-anything")
def plain_json_is_the_default(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.headers.get("accept") == "*/*":
        answered.headers["content-type"] = "application/json"
    return answered


@caught_by("rfc7644/3.8/charset-parameter")
def a_charset_parameter_is_unsupported(asked: Asked, serve: Serve) -> Answered:
    charset = "charset" in asked.headers.get("content-type", "")
    return serve(_as_though_by(asked, **{"content-type": "text/plain"}) if charset else asked)


@caught_by("rfc7644/3.1/message-schemas-not-listed")
def schemas_list_messages(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.path == "/Schemas":
        answered.body["Resources"].append({"id": "urn:ietf:params:scim:api:messages:2.0:Error", "attributes": []})
    return answered


@caught_by("rfc7644/3.1/state-not-echo")
def post_echoes_what_was_sent(asked: Asked, serve: Serve) -> Answered:
    answered = serve(asked)
    if asked.method == "POST" and answered.status == 201:
        answered.body |= asked.body
    return answered
