/* throttle.h - slows those who guess join tokens: an address that gave too many wrong ones is not
 * listened to until its minute is over. Bounded; one thread; time is passed in. */
#ifndef WEIR_STREAM_THROTTLE_H
#define WEIR_STREAM_THROTTLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum {
    WEIR__THROTTLE_PEERS = 1024, /* past it the one whose minute began first is forgotten */
    WEIR__THROTTLE_WRONG = 10,   /* in a minute */
    WEIR__THROTTLE_MS = 60000,
};

struct weir__throttle_peer {
    uint64_t hash; /* of the address without its port */
    int64_t since_ms;
    unsigned wrong; /* 0: free */
};

/* Zeroed before its first use. */
struct weir__throttle {
    struct weir__throttle_peer peers[WEIR__THROTTLE_PEERS];
};

/* How long the peer ("ipv4:192.0.2.7:4711") has to wait; 0: it may try. */
int64_t weir__throttle_wait_ms(struct weir__throttle *t, struct weir_str peer, int64_t now_ms);
/* Counts a wrong token. True: this one was the last that was listened to. */
bool weir__throttle_wrong(struct weir__throttle *t, struct weir_str peer, int64_t now_ms);

#endif
