/* main.c - weir-control: the control plane of Weir. */
#include <stdio.h>

#include "base/log.h"
#include "controlplane/main/control.h"

int main(int argc, char **argv)
{
    struct weir_control_options o;
    char error[512];

    if (weir_control_options_parse(argc, argv, &o, error, sizeof error)) {
        fprintf(stderr, "weir-control: %s\n", error);
        return 2;
    }
    if (o.help) {
        weir_control_options_help();
        return 0;
    }
    if (o.version) {
        printf("weir-control %s\n", WEIR_VERSION);
        return 0;
    }
    if (weir_log_set_level(o.log_level)) {
        fprintf(stderr, "weir-control: --log-level: one of debug, info, warn, error\n");
        return 2;
    }
    return weir_control_run(&o);
}
