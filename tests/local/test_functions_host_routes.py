"""Route templates matched as ASP.NET Core matches them."""

import pytest

from local.functions_host.errors import InvalidRoute
from local.functions_host.routes import parse_route


@pytest.mark.parametrize(
    ("route", "path", "expected"),
    [
        ("alerts", "/api/alerts", {}),
        ("alerts", "/API/Alerts/", {}),
        ("alerts", "/alerts", None),
        ("alerts", "/api/alerts/1", None),
        ("runs/{id}", "/api/runs/a%20b%2Fc", {"id": "a b/c"}),
        ("runs/{id}", "/api/runs", None),
        ("runs/{id?}", "/api/runs", {}),
        ("runs/{id:int}", "/api/runs/-12", {"id": "-12"}),
        ("runs/{id:int}", "/api/runs/2147483648", None),
        ("runs/{id:long}", "/api/runs/2147483648", {"id": "2147483648"}),
        ("runs/{id:alpha}", "/api/runs/abc", {"id": "abc"}),
        ("runs/{id:alpha}", "/api/runs/abc1", None),
        ("runs/{id:bool}", "/api/runs/True", {"id": "True"}),
        (
            "runs/{id:guid}",
            "/api/runs/9c75121f-0a75-9727-ecde-5d65b1ed001d",
            {"id": "9c75121f-0a75-9727-ecde-5d65b1ed001d"},
        ),
        ("runs/{id:guid}", "/api/runs/9c75121f", None),
        ("runs/{id:alpha:length(3,5)}", "/api/runs/abc", {"id": "abc"}),
        ("runs/{id:alpha:length(3,5)}", "/api/runs/ab", None),
        ("runs/{id:min(3)}", "/api/runs/3", {"id": "3"}),
        ("runs/{id:min(3)}", "/api/runs/2", None),
        ("files/{*path}", "/api/files/a/b.txt", {"path": "a/b.txt"}),
        ("{model}/runs/{id}", "/api/credit/runs/7", {"model": "credit", "id": "7"}),
    ],
)
def test_a_path_gives_its_parameters_or_nothing(route, path, expected):
    assert parse_route(route, "api").match(path) == expected


def test_without_a_prefix_the_route_stands_alone():
    assert parse_route("/alerts/", "").match("/alerts") == {}


def test_a_literal_is_tried_before_a_constraint_and_that_before_a_parameter():
    routes = ["{*rest}", "runs/{id}", "runs/{id:int}", "runs/latest"]

    ranked = sorted((parse_route(route, "") for route in routes), key=lambda each: each.rank)

    assert [each.text for each in ranked] == [
        "runs/latest",
        "runs/{id:int}",
        "runs/{id}",
        "{*rest}",
    ]


@pytest.mark.parametrize(
    ("route", "message"),
    [
        ("runs/{id:even}", "'even' is none of"),
        ("runs/{id:int(3)}", "wrong argument"),
        ("runs/{id:min}", "wrong argument"),
        ("runs/{a}.{b}", "not a literal or one"),
        ("runs/{id?}/events", "only the last segment"),
        ("admin/keys", "conflicts"),
    ],
)
def test_a_route_that_cannot_be_served_is_refused_with_its_reason(route, message):
    with pytest.raises(InvalidRoute, match=message):
        parse_route(route, "")
