"""Reading exceptions of every library by what they have."""

from __future__ import annotations

import asyncio
import json
import socket
import urllib.error
from email.message import Message
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import anthropic
import grpc
import httpx
import httpx2
import openai
import pytest
import requests
from google.api_core import exceptions as google_exceptions
from google.genai import errors as genai_errors
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2

from jobapp.classification.classify import classify
from jobapp.classification.exception_facts import read_exception
from jobapp.domain.types import Kind
from tests.error_forms import DAY, MINUTE, gemini, openrouter, violations
from tests.error_forms import anthropic as anthropic_body
from tests.error_forms import openai as openai_body
from tests.test_classification import NOW

URL = "http://127.0.0.1/v1"
SPENT = openai_body("You exceeded it", "insufficient_quota", "insufficient_quota")
HEADERS = {"retry-after": "7", "x-request-id": "req_1"}
BOTH_HTTPX = pytest.mark.parametrize("http", [httpx, httpx2])


def response_of(http: Any, status: int, body: Any, headers: Any = None) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return http.Response(status, content=content, headers=headers or {}, request=http.Request("POST", URL))


def kind_of(error: BaseException | str, provider: str = "openai") -> Kind:
    return classify(read_exception(error, provider), NOW).kind


# openai


@BOTH_HTTPX
def test_openais_whole_body_is_read_though_its_exception_keeps_the_inner_object(http):
    error = openai.RateLimitError("m", response=response_of(http, 429, SPENT, HEADERS), body=SPENT["error"])
    facts = read_exception(error, "openai", "gpt-x")
    assert (facts.provider, facts.model, facts.status, facts.body) == ("openai", "gpt-x", 429, SPENT)
    assert facts.headers["retry-after"] == "7"
    assert facts.exceptions == ("RateLimitError", "APIStatusError", "APIError", "OpenAIError")
    assert classify(facts, NOW).kind is Kind.QUOTA


def test_openais_error_in_a_stream_has_no_status_but_an_inner_body():
    error = openai.APIError("m", httpx2.Request("POST", URL), body=SPENT["error"])
    facts = read_exception(error, "openai")
    assert (facts.status, facts.body) == (None, SPENT["error"])
    assert classify(facts, NOW).kind is Kind.QUOTA


def test_openrouters_code_in_a_stream_is_read_as_the_status():
    body = openrouter(502, "Upstream failed")["error"]
    assert (
        read_exception(openai.APIError("m", httpx2.Request("POST", URL), body=body), "openrouter").status
        == 502
    )


def test_openais_connection_errors_are_told_by_their_names():
    request = httpx2.Request("POST", URL)
    for error in (openai.APITimeoutError(request), openai.APIConnectionError(request=request)):
        assert read_exception(error, "openai").status is None
        assert kind_of(error) is Kind.UNAVAILABLE


def test_an_older_openai_exception_is_read():
    class RateLimitError(Exception):
        http_status = 429
        json_body = SPENT
        headers = HEADERS

    facts = read_exception(RateLimitError("words"), "openai")
    assert (facts.status, facts.body, facts.headers["retry-after"]) == (429, SPENT, "7")


# anthropic


@pytest.mark.parametrize("status", [429, 400, 529])
def test_anthropics_whole_body_is_read(status):
    body = anthropic_body("rate_limit_error", "x", details={"error_code": "enforced_spend_limit_reached"})
    error = anthropic.APIStatusError("m", response=response_of(httpx2, status, body, HEADERS), body=body)
    facts = read_exception(error, "anthropic")
    assert (facts.status, facts.body, facts.headers["retry-after"]) == (status, body, "7")
    assert classify(facts, NOW).rule == "tier-spend-limit"


def test_anthropics_error_in_a_stream_says_200_and_its_type_tells():
    body = anthropic_body("overloaded_error", "Overloaded")
    response = httpx2.Response(
        200, stream=httpx2.ByteStream(b"never read"), request=httpx2.Request("POST", URL)
    )
    error = anthropic.APIStatusError("m", response=response, body=body)
    facts = read_exception(error, "anthropic")
    assert (facts.status, facts.body) == (200, body)
    assert classify(facts, NOW).kind is Kind.UNAVAILABLE


# google-genai


@pytest.mark.parametrize("wrap", [lambda body: body, lambda body: [body]])
def test_genais_details_are_the_whole_body(wrap):
    body = gemini("RESOURCE_EXHAUSTED", "x", violations(DAY))
    error = genai_errors.ClientError(429, wrap(body), response_of(httpx2, 429, wrap(body)))
    facts = read_exception(error, "google")
    assert (facts.status, facts.body) == (429, wrap(body))
    assert classify(facts, NOW).rule == "gemini-day"


def test_genais_details_serve_where_the_response_is_not_at_hand():
    body = gemini("RESOURCE_EXHAUSTED", "x", violations(MINUTE))
    facts = read_exception(genai_errors.ClientError(429, body, None), "google")
    assert (facts.status, facts.body) == (429, body)
    assert classify(facts, NOW).rule == "gemini-minute"


# google.api_core


def requests_response(status: int, body: Any, headers: Any = None) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response._content = json.dumps(body).encode()
    response.headers.update(headers or {})
    response.request = requests.Request("POST", URL).prepare()
    return response


def test_google_api_core_on_rest_is_read_though_its_properties_raise():
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "d"}
    body = gemini("INVALID_ARGUMENT", "API key not valid", info, code=400)
    error = google_exceptions.from_http_response(requests_response(400, body, HEADERS))
    with pytest.raises(AttributeError):
        _ = error.reason
    facts = read_exception(error, "google")
    assert (facts.status, facts.body) == (400, body)
    assert classify(facts, NOW).rule == "bad-google-key"


def test_google_api_cores_details_serve_without_a_response():
    error = google_exceptions.TooManyRequests("POST http://u: x", details=[violations(DAY)])
    assert read_exception(error, "google").status == 429
    assert classify(read_exception(error, "google"), NOW).rule == "gemini-day"


def packed(message: Any) -> any_pb2.Any:
    holder = any_pb2.Any()
    holder.Pack(message)
    return holder


@pytest.mark.parametrize(("quota_id", "rule"), [(DAY, "gemini-day"), (MINUTE, "gemini-minute")])
def test_google_api_core_on_grpc_is_read_from_its_protobuf_details(quota_id, rule):
    failure = error_details_pb2.QuotaFailure()
    violation = failure.violations.add()
    violation.quota_id = quota_id
    info = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=23))
    error = google_exceptions.ResourceExhausted("You exceeded it", details=[failure, info])
    facts = read_exception(error, "google")
    assert facts.status == 429
    verdict = classify(facts, NOW)
    assert verdict.rule == rule
    assert verdict.retry_after == (23 if rule == "gemini-minute" else None)


class Rejected(grpc.RpcError):  # type: ignore[misc]  # grpc has no types
    def code(self):
        return grpc.StatusCode.RESOURCE_EXHAUSTED

    def details(self):
        return "Quota exceeded for quota metric 'Requests' and limit 'Requests per day'"

    def trailing_metadata(self):
        return (("retry-after", "5"), ("grpc-status-details-bin", b"\x08\x08"))


def test_a_plain_grpc_error_is_read_through_its_methods():
    facts = read_exception(Rejected(), "google")
    assert (facts.status, facts.headers["retry-after"]) == (429, "5")
    assert classify(facts, NOW).rule == "gemini-day"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (google_exceptions.DeadlineExceeded("x"), Kind.UNAVAILABLE),
        (google_exceptions.ServiceUnavailable("x"), Kind.UNAVAILABLE),
        (google_exceptions.PermissionDenied("x"), Kind.AUTH),
        (google_exceptions.InvalidArgument("400 API key not valid."), Kind.AUTH),
        (google_exceptions.InvalidArgument("too many tokens"), Kind.REQUEST),
        (
            google_exceptions.RetryError("Timeout", cause=google_exceptions.ServiceUnavailable("x")),
            Kind.UNAVAILABLE,
        ),
    ],
)
def test_google_api_cores_own_classes_mean_what_they_say(error, kind):
    assert kind_of(error, "google") is kind


# requests, httpx, urllib, botocore


@BOTH_HTTPX
def test_httpxs_status_error_is_read_with_the_body_that_was_read(http):
    response = response_of(http, 429, SPENT, HEADERS)
    with pytest.raises(http.HTTPStatusError) as caught:
        response.raise_for_status()
    facts = read_exception(caught.value, "openai")
    assert (facts.status, facts.body, facts.headers["x-request-id"]) == (429, SPENT, "req_1")


def test_requests_http_error_is_read():
    error = requests.HTTPError("429 Client Error", response=requests_response(429, SPENT, HEADERS))
    facts = read_exception(error, "openai")
    assert (facts.status, facts.body, facts.headers["retry-after"]) == (429, SPENT, "7")


class Unread:
    """A stream that tells when it is read."""

    def __init__(self) -> None:
        self.reads = 0

    def read(self, *_: Any, **__: Any) -> bytes:
        self.reads += 1
        return b"{}"

    def __iter__(self) -> Any:
        yield self.read()

    def close(self) -> None:
        """Urllib closes what it holds."""

    stream = __iter__


@BOTH_HTTPX
def test_a_body_that_httpx_has_not_read_stays_unread(http):
    stream = Unread()
    response = http.Response(503, content=stream, request=http.Request("POST", URL))
    facts = read_exception(http.HTTPStatusError("m", request=response.request, response=response), "openai")
    assert (facts.status, facts.body, stream.reads) == (503, None, 0)


def test_a_body_that_requests_has_not_read_stays_unread():
    response = requests.Response()
    response.status_code, response.raw = 503, Unread()
    facts = read_exception(requests.HTTPError("m", response=response), "openai")
    assert (facts.status, facts.body, response.raw.reads) == (503, None, 0)


def test_urllibs_http_error_is_read_without_its_stream():
    headers = Message()
    headers["Retry-After"] = "7"
    stream = Unread()
    error = urllib.error.HTTPError(URL, 429, "Too Many Requests", headers, stream)  # type: ignore[arg-type]  # a stand-in
    facts = read_exception(error, "openai")
    assert (facts.status, facts.headers["retry-after"], stream.reads) == (429, "7", 0)


def test_botocores_dict_is_read():
    class ClientError(Exception):
        response = {  # noqa: RUF012 - as botocore has it
            "Error": {"Code": "ThrottlingException", "Message": "Too many tokens per day, please wait"},
            "ResponseMetadata": {"HTTPStatusCode": 429, "HTTPHeaders": {"x-amzn-requestid": "r"}},
        }

    facts = read_exception(ClientError("x"), "bedrock")
    assert (facts.status, facts.headers["x-amzn-requestid"]) == (429, "r")
    assert classify(facts, NOW).rule == "day-words"


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("x"), httpx.ReadTimeout("x"), httpx2.RemoteProtocolError("x"), httpx2.ConnectTimeout("x"),
        requests.ConnectionError("x"), requests.ReadTimeout("x"), requests.exceptions.ChunkedEncodingError("x"),
        requests.exceptions.SSLError("x"), ConnectionResetError(104, "reset"), BrokenPipeError(), TimeoutError(),
        socket.gaierror(-2, "Name or service not known"), asyncio.CancelledError(), EOFError("x"),
        RuntimeError("Event loop is closed"), urllib.error.URLError(socket.gaierror(-2, "x")),
        json.JSONDecodeError("x", "", 0), Exception("nobody knows"),
    ],
    ids=repr,
)  # fmt: skip
def test_failures_without_a_status_harm_no_key(error):
    facts = read_exception(error, "openai")
    assert facts.status is None
    assert classify(facts, NOW).kind is Kind.UNAVAILABLE


@pytest.mark.parametrize("error", [TypeError("x"), KeyError("x"), ValueError("x"), AttributeError("x")])
def test_a_programming_error_is_neither_retried_nor_held_against_a_key(error):
    assert kind_of(error) is Kind.REQUEST


# what wraps


def rejected(status: int = 429, body: Any = SPENT) -> openai.APIStatusError:
    return openai.APIStatusError("m", response=response_of(httpx2, status, body, HEADERS), body=body)


def raised_from(inner: BaseException, outer: BaseException) -> BaseException:
    outer.__cause__ = inner
    return outer


def raised_within(inner: BaseException, outer: BaseException) -> BaseException:
    outer.__context__ = inner
    return outer


class WrapperError(Exception):
    def __init__(self, message: str, original_exception: BaseException | None = None) -> None:
        super().__init__(message)
        self.original_exception = original_exception


class FakeFuture:
    _exception = rejected()


class RetryError(Exception):
    last_attempt = FakeFuture()


@pytest.mark.parametrize(
    "error",
    [
        raised_from(rejected(), WrapperError("langchain")),
        raised_from(raised_from(rejected(), WrapperError("middle")), WrapperError("outer")),
        raised_within(rejected(), WrapperError("litellm")),
        WrapperError("told by an attribute", rejected()),
        Exception("told by its arguments", rejected()),
        ExceptionGroup("several", [ValueError("x"), rejected()]),
        ExceptionGroup("nested", [ExceptionGroup("inner", [rejected()])]),
        RetryError("tenacity"),
        google_exceptions.RetryError("gave up", cause=rejected()),
    ],
    ids=lambda error: str(error)[:20],
)
def test_what_an_exception_wraps_is_found(error):
    facts = read_exception(error, "openai")
    assert (facts.status, facts.body, facts.headers["retry-after"]) == (429, SPENT, "7")


def test_the_classes_of_the_whole_chain_are_named_the_telling_one_first():
    facts = read_exception(raised_from(rejected(), WrapperError("x")), "openai")
    assert facts.exceptions[0] == "APIStatusError"
    assert "WrapperError" in facts.exceptions


def test_a_status_of_the_wrapper_itself_comes_before_what_it_wraps():
    outer = WrapperError("x")
    outer.status_code = 401  # type: ignore[attr-defined]  # as litellm sets it
    assert read_exception(raised_from(rejected(500), outer), "openai").status == 401


def test_a_suppressed_context_is_not_read():
    error = raised_within(rejected(), WrapperError("x"))
    error.__suppress_context__ = True
    assert read_exception(error, "openai").status is None


def test_a_chain_that_bites_its_tail_ends():
    first, second = WrapperError("a"), WrapperError("b")
    first.__cause__, second.__cause__ = second, first
    assert read_exception(first, "openai").message == "a"


def test_litellms_text_is_read_where_its_response_is_empty():
    class RateLimitError(openai.RateLimitError):
        pass

    text = 'litellm.RateLimitError: AnthropicException - {"type":"error","error":{"type":"rate_limit_error","message":"m"}}'
    error = RateLimitError(text, response=response_of(httpx2, 429, b""), body=None)
    facts = read_exception(error, "anthropic")
    assert (facts.status, facts.body) == (429, None)
    assert classify(facts, NOW).kind is Kind.RATE_LIMIT


# hostile things


class Hostile(Exception):  # noqa: N818 - a stand-in
    def __str__(self) -> str:
        raise RuntimeError("no text")

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


class Odd(Exception):  # noqa: N818 - a stand-in
    status_code = "a lot"
    code = staticmethod(lambda: 1 / 0)
    headers = 7
    body = object()
    response = SimpleNamespace(headers=[("a",)], status_code=[429])


@pytest.mark.parametrize(
    "error", [Hostile(), Odd("x"), Odd(Odd("y"))], ids=["raises", "lies", "holds a liar"]
)
def test_properties_that_raise_or_lie_break_nothing(error):
    facts = read_exception(error, "openai")
    assert (facts.status, facts.body, dict(facts.headers)) == (None, None, {})
    assert classify(facts, NOW).kind is Kind.UNAVAILABLE


@pytest.mark.parametrize(
    ("value", "status"), [(429, 429), ("429", 429), (HTTPStatus.FORBIDDEN, 403), (7, None), (True, None)]
)
def test_a_status_is_read_as_number_digits_or_enum(value, status):
    error = WrapperError("x")
    error.status_code = value  # type: ignore[attr-defined]  # any library's
    assert read_exception(error, "openai").status == status


def test_a_text_is_read_as_a_message():
    facts = read_exception("429 Too Many Requests", "openai", "m")
    assert (facts.status, facts.body, facts.message, facts.model) == (
        None,
        None,
        "429 Too Many Requests",
        "m",
    )
    assert kind_of("429 Too Many Requests") is Kind.RATE_LIMIT
