"""The one key that hands over, from any screen."""

from screens.base import ConsoleScreen

_BOOKS = 6


def begin(screen: ConsoleScreen) -> None:
    """Go to the view of hand-overs and open the dialog there."""
    # Only here: the screens of the row import what this is called from.
    from screens.books import BooksScreen

    screen.host.go(_BOOKS)
    books = screen.app.screen
    if isinstance(books, BooksScreen):
        books.call_after_refresh(books.begin_hand_over)
