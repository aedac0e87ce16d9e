"""What tools/bench ftp and ftps measure, and the bars ferry is held to: the tables."""

import dataclasses

SMALL_FILES = 100
STREAMS = 16
IDLE_SESSIONS = 200


@dataclasses.dataclass(frozen=True)
class Workload:
    """One thing that is measured, as arguments of ferry-ftp-load."""
    about: str
    arguments: tuple  # "@" at the front of the path: the server's own folder for uploads.
    path: str
    operations: int  # Of a round.
    per: str = "operation"  # What CPU is told for: "operation", or "GiB" of what was moved.
    bar: tuple = ()  # Peer, and how much of its CPU ferry may take at most.
    changes_listing: bool = False  # Before each operation a name comes or goes.


WORKLOADS = {
    "download-1g": Workload("1 GiB download", ("-w", "retr", "-c", "1"), "big.bin", 1, "GiB",
                            ("vsftpd", 0.95)),
    "upload-1g": Workload("1 GiB upload", ("-w", "stor", "-c", "1", "-s", "1g"), "@", 1, "GiB",
                          ("pyftpdlib", 0.8)),
    "streams-16": Workload("16 downloads of 64 MiB at once", ("-w", "retr", "-c", str(STREAMS)),
                           "64m.bin", STREAMS, "GiB"),
    "retr-epsv": Workload("RETR of 1 KiB, EPSV", ("-w", "retr", "-c", "8", "-m", "epsv", "-f",
                                                  str(SMALL_FILES)), "small/{}.bin", 2000,
                          bar=("pure-ftpd", 0.45)),
    "stor-epsv": Workload("STOR of 1 KiB, EPSV", ("-w", "stor", "-c", "8", "-m", "epsv"), "@", 1000,
                          bar=("pure-ftpd", 0.6)),
    "login": Workload("login and QUIT", ("-w", "login", "-c", "8"), "", 500,
                      bar=("pyftpdlib", 0.4)),
    "list": Workload("LIST of 10,000", ("-w", "list", "-c", "1"), "names/", 10),
    "mlsd": Workload("MLSD of 10,000, again", ("-w", "mlsd", "-c", "1"), "names/", 10,
                     bar=("pure-ftpd", 0.25)),
    "mlsd-changed": Workload("MLSD of 10,000, changed", ("-w", "mlsd", "-c", "1"), "names/", 5,
                             bar=("pure-ftpd", 0.5), changes_listing=True),
    "ascii-down": Workload("ASCII download of 256 MiB", ("-w", "retr", "-c", "1", "-a"), "text.txt",
                           1, "GiB", ("vsftpd", 0.4)),
    "ascii-up": Workload("ASCII upload of 256 MiB", ("-w", "stor", "-c", "1", "-a", "-s", "256m"),
                         "@", 1, "GiB", ("pure-ftpd", 0.6)),
    "retr-port": Workload("RETR of 1 KiB, PORT", ("-w", "retr", "-c", "8", "-m", "port", "-f",
                                                  str(SMALL_FILES)), "small/{}.bin", 2000),
    "stor-port": Workload("STOR of 1 KiB, PORT", ("-w", "stor", "-c", "8", "-m", "port"), "@", 1000),
    "idle": Workload("an idle session, memory", (), "", IDLE_SESSIONS, "session"),
}
# Over TLS 1.3, data connections resuming the session of their control connection.
SECURE_WORKLOADS = {
    "download-1g": dataclasses.replace(WORKLOADS["download-1g"], bar=("pure-ftpd", 0.85)),
    "upload-1g": dataclasses.replace(WORKLOADS["upload-1g"], bar=()),
    "retr-epsv": dataclasses.replace(WORKLOADS["retr-epsv"], operations=500, bar=("vsftpd", 0.45)),
    "stor-epsv": dataclasses.replace(WORKLOADS["stor-epsv"], operations=500, bar=()),
    "login": dataclasses.replace(WORKLOADS["login"], operations=250, bar=()),
}
