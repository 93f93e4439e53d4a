"""The pages."""

from django.urls import path
from shop.views import total

urlpatterns = [path("total", total)]
