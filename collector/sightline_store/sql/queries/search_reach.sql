-- From when on (epoch ms) does a search of a window read raw spans? 0 where there are no requests.
SELECT toUnixTimestamp64Milli(CAST(
    -- include: search_reach.sql
    AS DateTime64(3, 'UTC'))) AS reach_ms
