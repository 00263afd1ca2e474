/* preflight.c - what `weir up` looks at before it starts anything, so that the user hears of it at
 * once and from the command itself. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "controlplane/cli/http.h"
#include "controlplane/cli/manifests.h"
#include "controlplane/cli/print.h"
#include "controlplane/cli/up.h"
#include "controlplane/config/apply.h"

bool weir__up_address_is_free(struct weir_cli *cli, const char *address, const char *flag)
{
    struct sockaddr_storage sa = {0};
    const char *host;
    unsigned port;
    int fd, one = 1, saved;
    bool ipv6, good;

    if (weir__cli_address(cli->arena, address, &host, &port) || !port) {
        weir__cli_complain(cli, "Write it as HOST:PORT, for example 127.0.0.1:8070.",
                           "%s %s is not an address", flag, address);
        return false;
    }
    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    ipv6 = strchr(host, ':') != NULL;
    if (ipv6 ? uv_ip6_addr(host, (int)port, (struct sockaddr_in6 *)&sa)
             : uv_ip4_addr(host, (int)port, (struct sockaddr_in *)&sa)) {
        weir__cli_complain(cli, "Use a numeric address or localhost.", "%s %s is not an address",
                           flag, address);
        return false;
    }
    fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        weir__cli_complain(cli, NULL, "%s can't be tried: %s", address, strerror(errno));
        return false;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    good = bind(fd, (struct sockaddr *)&sa,
                ipv6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in)) == 0 &&
           listen(fd, 1) == 0;
    saved = errno;
    close(fd);
    if (!good)
        weir__cli_complain(
            cli, weir_arena_printf(cli->arena, "Choose another one with %s HOST:PORT.", flag),
            "%s can't be used: %s", address,
            saved == EADDRINUSE ? "another program listens there" : strerror(saved));
    return good;
}

bool weir__up_policy_is_valid(struct weir_cli *cli, const char *path)
{
    struct weir_policy_source_options o = {
        .path = path, .price_path = cli->flags[WEIR_FLAG_PRICES], .local_defaults = true};
    struct weir_data_errors errors = {.arena = cli->arena};

    /* A file that goes away meanwhile is for the control plane, which reads again. */
    if (weir_policy_check(&o, cli->arena, &errors) != WEIR_EINVAL)
        return true;
    weir__cli_print_errors(cli, &errors);
    weir__cli_complain(cli, "Mend it and start again; weir validate -f checks without starting.",
                       "the policy in %s has %zu %s", path, errors.count + errors.dropped,
                       errors.count == 1 ? "error" : "errors");
    return false;
}
