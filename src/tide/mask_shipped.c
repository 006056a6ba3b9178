/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Owns: the patterns of secrets.patterns as shipped. Must not: hold one whose time grows with the square of a hostile
 * text: no unbounded repetition before the first fixed word, none that can run over where the pattern begins again
 * (test_mask holds it). No backslashes: they would have to be doubled in the file.
 */
#include "tidemark/mask.h"

static const char *const shipped[] = {
        /* flags: --password X, --db-password=X, -pass X */
        "-(password|passwd|passphrase|pass|secret|token|api-?key|secret-?key|access-?key|private-?key)(=|[[:space:]]+)",
        /* names: PGPASSWORD=X, AWS_SECRET_ACCESS_KEY=X, "token": "X", X-Api-Key: X */
        "(password|passwd|passphrase|secret|token|_pwd|api[-_]?key|access[-_]?key|secret[-_]?key|private[-_]?key|"
        "credentials?)[\"'\\]*[[:space:]]*[=:][[:space:]]*",
        "(^|[^a-z])pass[\"'\\]*[=:][[:space:]]*",
        "authorization[\"']?[=:][[:space:]]*((bearer|basic|token|digest|negotiate)[[:space:]]+)?",
        "bearer[[:space:]]+",
        "(^|[[:space:]\"'])(set-)?cookie:[[:space:]]*",
        "identified[[:space:]]+by[[:space:]]+",
        /* programs whose short flag is a password */
        "mysql|mariadb|mongo|clickhouse :: (^|[[:space:]])-p",
        "sshpass|sqlcmd|mongo|(docker|podman|buildah|skopeo|nerdctl|helm|oc)[[:space:]]+login :: "
        "(^|[[:space:]])-p[[:space:]]*",
        "redis-cli|valkey-cli :: (^|[[:space:]])-a[[:space:]]*",
        "ldap[a-z]+ :: (^|[[:space:]])-w[[:space:]]*",
        "curl|wget|httpie :: (^|[[:space:]])(-u|-U|--user|--proxy-user)[=[:space:]]*[^:[:space:]]*:",
        "smb|cifs|rpcclient :: (^|[[:space:]])(-U|--user)[=[:space:]]*[^%[:space:]]*%",
        /* what is known by itself: URLs with a password, keys of known forms, PEM */
        "://[^/:@[:space:]]*:<[^/[:space:]]+>@",
        "<(AKIA|ASIA)[0-9A-Z]{16}>",
        "<gh[pousr]_[0-9A-Za-z]{20}[0-9A-Za-z]*>",
        "<(github_pat_|glpat-|xox[abprs]-|hv[sb][.]|sk-|sk_live_|rk_live_|npm_|pypi-)[0-9A-Za-z_-]{16}[0-9A-Za-z_-]*>",
        "<eyJ[0-9A-Za-z_-]{16}[0-9A-Za-z_.-]*>",
        "BEGIN (RSA |EC |DSA |OPENSSH |ENCRYPTED |PGP )?PRIVATE KEY( BLOCK)?-----<[^-]*>",
};

const char *const *mask_shipped(size_t *ret_n)
{
        *ret_n = ARRAY_LEN(shipped);
        return shipped;
}
