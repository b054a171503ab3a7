"""The shapes of bodies and answers, for the OpenAPI document alone.

`parsing` and `presentation` do the work; a test holds every answer against these.
"""

from __future__ import annotations

from typing import Any, Final

from rest_framework import serializers as s


def _optional(field: type[s.Field[Any, Any, Any, Any]], **more: Any) -> s.Field[Any, Any, Any, Any]:
    return field(required=False, **more)


class Problem(s.Serializer[Any]):
    """RFC 9457. Which of the last fields there are depends on `code`."""

    type = s.CharField()
    title = s.CharField()
    status = s.IntegerField()
    code = s.CharField()
    detail = s.CharField()
    errors = s.DictField(  # type: ignore[assignment]  # the metaclass takes it out of the class
        child=s.ListField(child=s.CharField()), required=False
    )
    names = s.ListField(child=s.CharField(), required=False)
    expected = s.DictField(child=s.IntegerField(), required=False)
    actual = s.DictField(child=s.IntegerField(), required=False)
    request_id = _optional(s.CharField)
    leader_id = _optional(s.CharField, allow_null=True)
    index = _optional(s.IntegerField)
    oldest_index = _optional(s.IntegerField)
    newest_index = _optional(s.IntegerField)


class Noted(s.Serializer[Any]):
    changed_at = s.DateTimeField()
    user = s.CharField(allow_blank=True)
    origin = s.CharField(allow_blank=True)
    node = s.CharField(allow_blank=True)
    comment = s.CharField(allow_blank=True)


class LastChange(Noted):
    index = s.IntegerField()


class Setting(s.Serializer[Any]):
    name = s.CharField()
    type = s.CharField()
    group = s.CharField(allow_blank=True)
    help_text = s.CharField(allow_blank=True)  # type: ignore[assignment]
    value = s.JSONField(allow_null=True)
    default = s.JSONField(allow_null=True)
    choices = s.ListField(child=s.JSONField(allow_null=True))
    source = s.ChoiceField(  # type: ignore[assignment]
        ["default", "cluster", "environment"]
    )
    index = s.IntegerField(help_text="The entry that set it, 0 where it is not set.")
    is_secret = s.BooleanField()
    is_public = s.BooleanField()
    can_change = s.BooleanField()
    last_change = LastChange(allow_null=True)


class SettingsList(s.Serializer[Any]):
    index = s.IntegerField()
    settings = Setting(many=True)


class PublicSettings(s.Serializer[Any]):
    settings = s.DictField(child=s.JSONField(allow_null=True))


class Meta(s.Serializer[Any]):
    cluster_id = s.CharField()
    node_id = s.CharField()
    index = s.IntegerField()
    oldest_index = s.IntegerField()
    leader_id = s.CharField(allow_null=True)
    age_seconds = s.FloatField(allow_null=True)


class WrittenNote(s.Serializer[Any]):
    comment = _optional(s.CharField, allow_blank=True, max_length=1000)
    request_id = _optional(s.CharField, max_length=255)


class Write(WrittenNote):
    apply_at = _optional(s.DateTimeField)
    expires_at = _optional(s.DateTimeField)


class Update(Write):
    values = s.DictField(child=s.JSONField(allow_null=True), required=False)
    reset = s.ListField(child=s.CharField(), required=False)
    expected = s.DictField(child=s.IntegerField(), required=False)


class SetOne(Write):
    value = s.JSONField(allow_null=True)
    expected = _optional(s.IntegerField)


class Written(s.Serializer[Any]):
    index = s.IntegerField()
    request_id = s.CharField(allow_null=True)


class Scheduled(Written):
    schedule_id = s.IntegerField()


class Held(s.Serializer[Any]):
    """What was set; null where nothing was, and the default counted."""

    value = s.JSONField(allow_null=True)


class Changed(s.Serializer[Any]):
    name = s.CharField()
    old = Held(allow_null=True)
    new = Held(allow_null=True)


class Change(Noted, Changed):
    index = s.IntegerField()


class History(s.Serializer[Any]):
    index = s.IntegerField()
    oldest_index = s.IntegerField()
    changes = Change(many=True)
    next = s.IntegerField(allow_null=True)


class Difference(s.Serializer[Any]):
    from_index = s.IntegerField()
    to_index = s.IntegerField()
    changes = Changed(many=True)


class RevertRequest(WrittenNote):
    index = s.IntegerField()
    dry_run = _optional(s.BooleanField)
    force = _optional(s.BooleanField)


class RestoreRequest(WrittenNote):
    index = s.IntegerField()
    dry_run = _optional(s.BooleanField)
    names = s.ListField(child=s.CharField(), required=False)


class PutBack(s.Serializer[Any]):
    """The plan if `dry_run` is true, else what was written."""

    dry_run = _optional(s.BooleanField)
    changes = Changed(many=True, required=False)
    overtaken = s.ListField(child=s.CharField(), required=False)
    index = _optional(s.IntegerField)
    request_id = _optional(s.CharField, allow_null=True)


class Schedule(Noted):
    schedule_id = s.IntegerField()
    apply_at = s.DateTimeField()
    expires_at = s.DateTimeField(allow_null=True)
    reverts = s.BooleanField()
    values = s.DictField(child=Held(allow_null=True))


class Schedules(s.Serializer[Any]):
    index = s.IntegerField()
    schedules = Schedule(many=True)


class Stored(s.Serializer[Any]):
    type = s.CharField()
    value = s.JSONField(allow_null=True)


class File(s.Serializer[Any]):
    format = s.IntegerField()
    cluster_id = _optional(s.CharField)
    index = _optional(s.IntegerField)
    secrets = _optional(s.BooleanField)
    settings = s.DictField(child=Stored())


class Imported(s.Serializer[Any]):
    """The plan if `dry_run` is true, else what was written."""

    dry_run = _optional(s.BooleanField)
    changes = Changed(many=True, required=False)
    unchanged = s.ListField(child=s.CharField())
    unknown = s.ListField(child=s.CharField())
    index = _optional(s.IntegerField)
    request_id = _optional(s.CharField, allow_null=True)


class Watched(s.Serializer[Any]):
    index = s.IntegerField()
    changes = Change(many=True)


ALL: Final = [each for each in globals().values() if isinstance(each, s.SerializerMetaclass)]
