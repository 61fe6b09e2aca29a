"""Each answer of an Azure service becomes the error that says what a caller should do."""

from types import SimpleNamespace

import pytest
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from azure.data.tables import TableErrorCode, TableTransactionError

from shared.adapters.azure_errors import azure_creation, azure_errors, error_code, loop_error
from shared.errors import Conflict, NotFound, Refused, Throttled, Unavailable

SUBJECT = "table retrainloop"


def answer(status: int, **headers: str) -> SimpleNamespace:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return SimpleNamespace(status_code=status, reason="because", headers=names)


def http_error(
    status: int, code: object = "Code", kind: type = HttpResponseError, **headers: str
) -> HttpResponseError:
    error = kind(message="a text nobody reads", response=answer(status, **headers))
    error.error_code = code
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (http_error(404, "EntityNotFound", ResourceNotFoundError), NotFound),
        (http_error(409, "EntityAlreadyExists", ResourceExistsError), Conflict),
        (http_error(412, "UpdateConditionNotSatisfied", ResourceModifiedError), Conflict),
        (http_error(409, "EntityAlreadyExists", TableTransactionError), Conflict),
        (http_error(412, "ConditionNotMet", TableTransactionError), Conflict),
        (http_error(400, "InvalidDuplicateRow", TableTransactionError), Refused),
        (http_error(413, "RequestBodyTooLarge"), Refused),
        (http_error(401, "InvalidAuthenticationInfo", ClientAuthenticationError), Refused),
        (http_error(403, "AuthorizationPermissionMismatch", ClientAuthenticationError), Refused),
        (http_error(409, "TableBeingDeleted", ResourceExistsError), Unavailable),
        (http_error(409, "AccountBeingCreated"), Unavailable),
        (http_error(408), Unavailable),
        (http_error(429), Unavailable),
        (http_error(500, "InternalError"), Unavailable),
        (http_error(503, "ServerBusy"), Unavailable),
        (http_error(504), Unavailable),
        (http_error(200, None, DecodeError), Unavailable),
        (HttpResponseError("no answer came"), Unavailable),
        (ClientAuthenticationError("no identity endpoint answered"), Unavailable),
        (ServiceRequestError("refused"), Unavailable),
        (ServiceRequestTimeoutError("timed out"), Unavailable),
        (ServiceResponseError("cut off"), Unavailable),
        (ServiceResponseTimeoutError("timed out"), Unavailable),
        (AzureError("anything"), Unavailable),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_an_answer_becomes_the_error_that_says_whether_to_come_back(error, expected):
    result = loop_error(error, SUBJECT)

    assert type(result) is expected
    assert result.subject == SUBJECT
    assert "a text nobody reads" not in str(result)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_retry_after_in_seconds_is_carried(status):
    result = loop_error(http_error(status, Retry_After="17"), SUBJECT)

    assert isinstance(result, Throttled)
    assert result.retry_after == 17


def test_a_retry_after_date_counts_from_the_answers_own_date():
    error = http_error(
        503, retry_after="Mon, 01 Jul 2013 04:01:30 GMT", date="Mon, 01 Jul 2013 04:00:00 GMT"
    )

    result = loop_error(error, SUBJECT)

    assert isinstance(result, Throttled)
    assert result.retry_after == 90


def test_a_retry_after_in_the_past_means_now():
    error = http_error(
        429, retry_after="Mon, 01 Jul 2013 03:00:00 GMT", date="Mon, 01 Jul 2013 04:00:00 GMT"
    )

    result = loop_error(error, SUBJECT)

    assert isinstance(result, Throttled)
    assert result.retry_after == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"retry_after": "soon"},
        {"retry_after": "-5"},
        {"retry_after": "Mon, 01 Jul 2013 04:01:30 GMT"},
        {"retry_after": "Mon, 01 Jul 2013 04:01:30 GMT", "date": "today"},
    ],
)
def test_a_retry_after_nobody_can_read_is_left_out(headers):
    assert type(loop_error(http_error(503, **headers), SUBJECT)) is Unavailable


@pytest.mark.parametrize(
    ("code", "text"),
    [(TableErrorCode.ENTITY_NOT_FOUND, "EntityNotFound"), ("Plain", "Plain"), (None, "")],
)
def test_the_services_code_is_read_in_all_its_forms(code, text):
    assert error_code(http_error(404, code)) == text
    assert error_code(ServiceRequestError("refused")) == ""


def test_a_refusal_carries_the_services_code():
    result = loop_error(http_error(403, "AuthorizationFailure"), SUBJECT)

    assert isinstance(result, Refused)
    assert result.code == "AuthorizationFailure"
    assert str(result) == "table retrainloop: 403 AuthorizationFailure"


def test_the_original_error_stays_the_cause():
    error = ServiceRequestError("refused")

    with pytest.raises(Unavailable) as caught, azure_errors(SUBJECT):
        raise error

    assert caught.value.__cause__ is error


def test_a_defect_is_not_dressed_up():
    with pytest.raises(ValueError, match="wrong name"), azure_errors(SUBJECT):
        raise ValueError("wrong name")


def test_making_what_exists_already_is_fine_unless_it_is_going_away():
    with azure_creation(SUBJECT):
        raise http_error(409, "TableAlreadyExists", ResourceExistsError)
    with pytest.raises(Unavailable), azure_creation(SUBJECT):
        raise http_error(409, "TableBeingDeleted", ResourceExistsError)
    with pytest.raises(Refused), azure_creation(SUBJECT):
        raise http_error(403, "AuthorizationFailure", ClientAuthenticationError)
