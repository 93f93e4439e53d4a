"""One page."""

from django.core.cache import cache
from django.db.models import Sum
from django.http import HttpRequest, JsonResponse

from .models import Product


def total(request: HttpRequest) -> JsonResponse:
    """What all products cost together; it is counted once and then known."""
    found = cache.get_or_set("total", lambda: Product.objects.aggregate(Sum("price"))["price__sum"])
    return JsonResponse({"total": found})
