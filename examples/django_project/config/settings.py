"""Settings whose database and cache are containers while tests run."""

from tcunit.django import database
from tcunit.modules import PostgresContainer, RedisContainer

db = PostgresContainer("postgres:16-alpine")
cache = RedisContainer("redis:alpine")

TEST_RUNNER = "tcunit.django.ContainerDiscoverRunner"
DATABASES = {"default": database(db)}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": cache.get_connection_url,
        "KEY_FUNCTION": "config.caching.key",
    }
}

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "shop"]
ROOT_URLCONF = "config.urls"
SECRET_KEY = "for tests alone"
STATIC_URL = "static/"
USE_TZ = True
