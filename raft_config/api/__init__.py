"""The settings over HTTP.

The project mounts them: path("api/settings/", include("raft_config.api.urls"))

problems       every refusal as one shape of `application/problem+json`
parsing        strict JSON bodies and query parameters
conditional    ETag, If-None-Match, If-Match
presentation   settings and changes as JSON; here secrets are masked
base           what all views share: who may, how fresh, how errors are answered
changing       from a request's body to a proposal, and what its outcome is called
settings       list, detail, public subset, meta
past           history, difference, revert, restore, schedules
files          export and import
waiting        who waits for a change, and what is new
watch, events  the long poll, and server-sent events
openapi        what the documentation tells of each handler
spectacular    the way there: drf-spectacular, where that is installed

Authentication, throttles and further permissions are the project's, as DRF's settings say; who may
see and change which setting is `raft_config.permissions`, always.
"""
