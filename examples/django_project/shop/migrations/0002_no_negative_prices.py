"""A rule that only the database can keep."""

from django.db import migrations


class Migration(migrations.Migration):
    """A constraint, in PostgreSQL's own words."""

    dependencies = [("shop", "0001_initial")]
    operations = [
        migrations.RunSQL(
            "ALTER TABLE shop_product ADD CONSTRAINT no_negative_price CHECK (price >= 0)",
            "ALTER TABLE shop_product DROP CONSTRAINT no_negative_price",
        ),
    ]
