/*
 * What is fixed in the transcripts that tests/tools/wgrecord records with wireguard-go and test_p_transcript.c replays:
 * all that our side draws at random, and the keys of both. Constants only.
 */
#pragma once

#include <stdint.h>

static const uint8_t transcript_our_key[32] = "\x10our private key, no secret....";
static const uint8_t transcript_their_key[32] = "\x20wireguard-go's private key....";
static const uint8_t transcript_psk[32] = "a preshared key of the recording";
static const uint8_t transcript_ephemeral[2][32] = {
        "\x30the first ephemeral of ours...", "\x30the second ephemeral of ours.."};
static const uint8_t transcript_cookie_secret[32] = "the secret behind cookies of us";
static const uint8_t transcript_nonce[24] = "the nonce of our cookie";
/* The session table's permutation, its size (2^10 slots), and so the indices of the first two handshakes */
static const uint8_t transcript_seed[8] = {1, 2, 3, 4, 5, 6, 7, 8};

#define TRANSCRIPT_SLOT_BITS 10
/* Wall time of the first initiation of ours, s; the next comes 5 s later */
#define TRANSCRIPT_WALL 1700001000
