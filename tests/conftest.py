"""What holds for all tests."""

from hypothesis import HealthCheck, settings

# no test's outcome depends on how fast the machine is
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
