"""Records that could not be read, with what is needed to find and replay them."""

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from tapewatch.web.api import params
from tapewatch.web.api.cursors import decode_cursor, encode_cursor, filters_digest
from tapewatch.web.api.deps import Deps
from tapewatch.web.api.documented import LINK, answers
from tapewatch.web.api.messages import DeadLetterPage, NumberedDeadLetter, page_response
from tapewatch.web.api.queries import next_address

router = APIRouter(tags=["operations"])
_DIGEST = filters_digest("dead-letters")


@router.get(
    "/v1/dead-letters",
    responses=answers(DeadLetterPage, "A page of dead letters.", 400, headers=LINK),
    summary="Records that could not be read",
)
def list_dead_letters(
    request: Request, deps: Deps, limit: params.Limit = params.DEFAULT_PAGE, cursor: params.Cursor = None
) -> Response:
    """In the order in which they came, with the reason for each."""
    after = decode_cursor(cursor, _DIGEST)[0] if cursor else 0
    letters = deps.dead_letters.dead_letters(after, limit + 1)
    items, more = letters[:limit], len(letters) > limit
    address = next_address(request, encode_cursor((items[-1][0], ""), _DIGEST)) if more else None
    views = [NumberedDeadLetter(number=number, **msgspec.structs.asdict(letter)) for number, letter in items]
    return page_response(DeadLetterPage(items=views, next=address), address)
