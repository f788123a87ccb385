"""Every page of the service, with who may use it."""

from typing import Final

from hegui.web.pages.chat import CHAT_ROUTES
from hegui.web.pages.labels import LABEL_ROUTES
from hegui.web.pages.public import PUBLIC_ROUTES
from hegui.web.pages.reports import REPORT_ROUTES
from hegui.web.pages.staff import STAFF_ROUTES
from hegui.web.pages.staff_calendar import STAFF_CALENDAR_ROUTES
from hegui.web.pages.staff_changes import CHANGES_ROUTES
from hegui.web.pages.staff_duty import DUTY_ROUTES
from hegui.web.pages.staff_evidence import EVIDENCE_ROUTES
from hegui.web.pages.staff_register import REGISTER_ROUTES
from hegui.web.pages.staff_reports import STAFF_REPORT_ROUTES
from hegui.web.pages.staff_scope import STAFF_SCOPE_ROUTES
from hegui.web.routing import Route

ROUTES: Final[tuple[Route, ...]] = (
    *PUBLIC_ROUTES,
    *LABEL_ROUTES,
    *CHAT_ROUTES,
    *REPORT_ROUTES,
    *REGISTER_ROUTES,
    *DUTY_ROUTES,
    *EVIDENCE_ROUTES,
    *CHANGES_ROUTES,
    *STAFF_ROUTES,
    *STAFF_REPORT_ROUTES,
    *STAFF_CALENDAR_ROUTES,
    *STAFF_SCOPE_ROUTES,
)
