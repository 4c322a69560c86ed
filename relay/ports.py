"""
Ports that no receiver of webhooks is at, each with the service that is there. Pure.

A request to one of them is no delivery but a way to speak to that service through us, be it on the public internet: so
they are refused when a URL is written, and again when a connection is made, whatever network is allowed.
"""

# The Fetch standard's bad ports (section "Port blocking", as of 2025), which every browser refuses: most of these
# services read lines, and take what they do not know for a mistake and what they do know for a command.
_FETCH = """
    0 nobody, 1 tcpmux, 7 echo, 9 discard, 11 systat, 13 daytime, 15 netstat, 17 qotd, 19 chargen, 20 ftp-data,
    21 ftp, 22 ssh, 23 telnet, 25 smtp, 37 time, 42 name, 43 nicname, 53 domain, 69 tftp, 77 rje, 79 finger,
    87 link, 95 supdup, 101 hostname, 102 iso-tsap, 103 gppitnp, 104 acr-nema, 109 pop2, 110 pop3, 111 sunrpc,
    113 auth, 115 sftp, 117 uucp-path, 119 nntp, 123 ntp, 135 epmap, 137 netbios-ns, 139 netbios-ssn, 143 imap,
    161 snmp, 179 bgp, 389 ldap, 427 svrloc, 465 submissions, 512 exec, 513 login, 514 shell, 515 printer,
    526 tempo, 530 courier, 531 chat, 532 netnews, 540 uucp, 548 afp, 554 rtsp, 556 remotefs, 563 nntps,
    587 submission, 601 syslog-conn, 636 ldaps, 989 ftps-data, 990 ftps, 993 imaps, 995 pop3s, 1719 h323gatestat,
    1720 h323hostcall, 1723 pptp, 2049 nfs, 3659 apple-sasl, 4045 npp, 4190 sieve, 5060 sip, 5061 sips, 6000 x11,
    6566 sane-port, 6665 ircu, 6666 ircu, 6667 ircu, 6668 ircu, 6669 ircu, 6679 osaut, 6697 ircs-u, 10080 amanda
"""
# What browsers have no list for, since it stands in data centres: it obeys whoever gets through to it.
_SERVERS = {
    445: "microsoft-ds",
    2375: "docker",  # starts containers, with the host's disk in them
    2376: "docker-s",
    2379: "etcd-client",
    2380: "etcd-server",
    6379: "redis",  # reads lines, and before 3.2.7 ran those of a request's body
    9200: "elasticsearch",
    10250: "kubelet",  # runs commands in containers
    11211: "memcache",  # reads lines
}
_SERVICES = {int(port): name for port, name in map(str.split, _FETCH.split(","))} | _SERVERS


def refusal(port: int) -> str | None:
    """
    Why this port is not called, naming the service there as IANA does; None: it may be called.

    >>> refusal(25)
    "port 25 is smtp's, never a receiver's"
    >>> refusal(443)
    """
    service = _SERVICES.get(port)
    return service and f"port {port} is {service}'s, never a receiver's"
