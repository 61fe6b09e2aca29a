"""What every HTTP function answers with."""

import json
from http import HTTPStatus

from functions.answers import json_answer, problem


def test_an_answer_is_json_with_its_status():
    response = json_answer(HTTPStatus.ACCEPTED, {"decision": "accepted", "name": "Zoë"})

    assert response.status_code == 202
    assert response.mimetype == "application/json"
    assert json.loads(response.get_body()) == {"decision": "accepted", "name": "Zoë"}


def test_a_problem_says_what_and_why():
    response = problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body: too long")

    assert response.status_code == 413
    assert response.mimetype == "application/problem+json"
    assert json.loads(response.get_body()) == {
        "type": "about:blank",
        "title": HTTPStatus.REQUEST_ENTITY_TOO_LARGE.phrase,
        "status": 413,
        "detail": "body: too long",
    }
    assert "Retry-After" not in response.headers


def test_a_problem_names_the_field_where_one_holds_the_reason():
    response = problem(HTTPStatus.BAD_REQUEST, "v: must be 1", field="v")

    assert json.loads(response.get_body())["field"] == "v"


def test_a_problem_that_passes_says_when_to_come_again():
    response = problem(HTTPStatus.SERVICE_UNAVAILABLE, "no answer", retry_after=20)

    assert response.headers["Retry-After"] == "20"
