"""Who a request speaks for, and the service it was sent to."""

from __future__ import annotations

from starlette.requests import Request

from console.sandbox.replies import ApiError
from console.sandbox.service import Service
from console.sandbox.tokens import BadToken, Identity, verify


def service_of(request: Request) -> Service:
    return request.scope["state"]["service"]


def address_of(request: Request) -> str:
    return request.scope["state"]["address"]


def request_id_of(request: Request) -> str:
    return request.scope["state"]["request_id"]


def token_of(request: Request) -> str:
    """The bearer token of the request, "" without one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def bearer(request: Request) -> str:
    """The bearer token of the request; raises ApiError 401."""
    if token := token_of(request):
        return token
    raise ApiError(
        401, "not_authenticated", "a bearer token is expected", headers={"WWW-Authenticate": "Bearer"}
    )


def require_service_key(request: Request) -> None:
    """Raises ApiError 403 for everybody without the service key."""
    try:
        role = verify(service_of(request).config.jwt_secret, token_of(request)).role
    except BadToken:
        role = ""
    if role != "service_role":
        raise ApiError(403, "forbidden", "this needs the service key")


def identity_of(request: Request) -> Identity:
    """Whoever a valid token speaks for, the project's keys included; raises ApiError 401.

    In maintenance people get ApiError 503; the project's keys, which watchers use, are let through.
    """
    service = service_of(request)
    try:
        identity = verify(service.config.jwt_secret, bearer(request))
    except BadToken as error:
        raise ApiError(401, "not_authenticated", str(error), headers={"WWW-Authenticate": "Bearer"}) from None
    if identity.user_id is not None:
        refuse_in_maintenance(service)
    return identity


def refuse_in_maintenance(service: Service) -> None:
    """Raises ApiError 503 while the platform's maintenance flag is set."""
    if service.maintenance:
        raise ApiError(503, "maintenance", "the platform is being maintained", headers={"Retry-After": "60"})


def person_of(request: Request) -> str:
    """The id of the person who is signed in; raises ApiError 401 for everybody else."""
    identity = identity_of(request)
    if identity.user_id is None:
        raise ApiError(401, "not_authenticated", "this needs somebody who is signed in")
    return identity.user_id
