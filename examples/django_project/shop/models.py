"""What is sold."""

from django.db import models


class Product(models.Model):
    """Something with a price."""

    name = models.CharField(max_length=100)
    price = models.IntegerField()
