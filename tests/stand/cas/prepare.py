"""Makes the database, with one pattern for every application of this machine."""

import django

django.setup()
from django.core.management import call_command  # noqa: E402

call_command("migrate", verbosity=0)
from cas_server.models import ServicePattern  # noqa: E402

ServicePattern.objects.get_or_create(
    name="any",
    pattern=r"^http://(127\.0\.0\.1|localhost)(:[0-9]+)?/.*$",
    defaults={"pos": 1, "user_field": "", "single_log_out": False},
)
