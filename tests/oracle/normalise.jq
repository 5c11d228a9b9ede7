select(.case | test("^(chat|resp|retry|noretry|should)_") and . != "resp_get")
| { case, fails: (.error != null), requests: [.requests[] | { method, path, body,
    headers: (.headers
      | with_entries(select(.key | IN("api-key", "authorization", "content-type", "openai-organization", "openai-project")))
      | (.authorization | strings) |= sub(" .*"; " ***") | (."api-key" | strings) |= "***") }] }
