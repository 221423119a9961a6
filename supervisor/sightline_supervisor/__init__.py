"""Start, watch and stop the parts of Sightline on one machine: `sightline up` and `sightline demo`.

Promises:

* Roles are known by their console scripts only; nothing of the other packages is imported.
* A role that dies is reported with its exit code or signal and the end of its log, then started again a few times.
* Whatever ends the supervisor (Ctrl-C, SIGTERM, a crash, kill -9), no process that it started stays behind.
* Two supervisors never share a data folder; ports that are taken are named before anything is started.
"""

from sightline_supervisor.errors import (
    FolderLocked,
    PortsTaken,
    RoleFailed,
    RoleMissing,
    SettingInvalid,
    StepFailed,
    SupervisorError,
)
from sightline_supervisor.role import PortUse, RestartPolicy, Role, Step
from sightline_supervisor.settings import SupervisorSettings
from sightline_supervisor.supervise import Supervisor

__all__ = [
    "FolderLocked",
    "PortUse",
    "PortsTaken",
    "RestartPolicy",
    "Role",
    "RoleFailed",
    "RoleMissing",
    "SettingInvalid",
    "Step",
    "StepFailed",
    "Supervisor",
    "SupervisorError",
    "SupervisorSettings",
]
