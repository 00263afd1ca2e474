/* main.c - weir-proxy: the data plane of Weir. */
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "dataplane/proxy/hub.h"
#include "dataplane/proxy/options.h"

int main(int argc, char **argv)
{
    struct weir_proxy_options o;
    char host[HOST_NAME_MAX + 1] = "proxy", error[256];

    if (weir_proxy_options_parse(argc, argv, &o, error, sizeof error)) {
        fprintf(stderr, "weir-proxy: %s\n", error);
        return 2;
    }
    if (o.help) {
        weir_proxy_options_help();
        return 0;
    }
    if (o.version) {
        printf("weir-proxy %s\n", WEIR_VERSION);
        return 0;
    }
    if (weir_log_set_level(o.log_level)) {
        fprintf(stderr, "weir-proxy: --log-level: one of debug, info, warn, error\n");
        return 2;
    }
    if (!o.node) {
        (void)!gethostname(host, sizeof host - 1);
        o.node = host;
    }
    return weir_hub_run(&o);
}
