"""What words tell about a sentence: who it is about, whether it moves the tale on, whether it promises something.

English only; in other languages these signals are silent and the choice rests on frequency, length and place.
"""

import re


def word_set(text: str) -> frozenset[str]:
    """Words listed in a text, white space between them."""
    return frozenset(text.split())


FIRST_PERSON = word_set("i me my mine myself we us our ours i'm i'll i've i'd we're we'll we've we'd let's")
SECOND_PERSON = word_set("you your yours yourself you're you'll you've you'd ya y'all guys")
THIRD_PERSON = word_set("he him his himself she her hers herself they them their theirs themselves it its")

FUNCTION_WORDS = (
    word_set(
        """
    a about above after again against all almost also although always am among an and another any anybody anyone
    anything are aren't around as at away back be became because been before being below between both but by can
    can't cannot come comes could couldn't did didn't do does doesn't doing don't done down during each either
    else enough even ever every everybody everyone everything few first for from further get gets getting go
    goes going gone gonna got had hadn't has hasn't have haven't having here here's hey hi hello how how's
    however if in inside instead into is isn't it's just kind know last least less let like little lot made make
    makes many may maybe might more most much must near never next no nobody none nor not nothing now of off
    often oh ok okay on once one only onto or other others otherwise ought out over own per perhaps please put
    quite rather really right said same saw say says see seems shall she'd she'll she's should shouldn't since
    so some somebody someone something sometimes soon sort still such sure take than thank thanks that that'll
    that's the them then there there's these they'd they'll they're they've thing things think this those though
    through thus to together too towards two under until up upon very want was wasn't way well went were weren't
    what what's when where where's whether which while who who's whole whom whose why will with within without
    won't would wouldn't yeah yes yet
    """
    )
    | FIRST_PERSON
    | SECOND_PERSON
    | THIRD_PERSON
)

RULES_TALK = re.compile(
    r"\b(?:roll(?:s|ed|ing)?|damage|checks?|saving throws?|d(?:4|6|8|10|12|20|100)|hit points?|hp|armou?r class|ac|dc"
    r"|disadvantage|advantage|initiative|modifiers?|bonus(?: action)?|attack roll|spell slots?"
    r"|natural (?:one|1|twenty|20)"
    r"|perception|investigation|persuasion|athletics|acrobatics|dexterity|constitution|charisma|level|feet)\b",
    re.IGNORECASE,
)
"""The game's arithmetic, as opposed to what happens in its world."""

HOUSEKEEPING = re.compile(
    r"\b(?:sponsors?|giveaways?|merch(?:andise)?|twitch|patreon|youtube|subscrib\w+|livestream|our stream"
    r"|tonight's episode"
    r"|(?:this|last|next) (?:week's|episode)|promo code|discount|podcast|the chat|hashtag|tweet\w*|convention|panel)\b",
    re.IGNORECASE,
)
"""The show about itself, as opposed to what it is about."""

_DAY = r"(?:today|tonight|tomorrow|(?:mon|tues|wednes|thurs|fri|satur|sun)day|(?:this|next) (?:week|month|time)|end of)"
_COMMITMENT = re.compile(
    r"\b(?:(?:i|we|you|he|she|they)(?:'ll| will| shall|(?:'m|'re|'s| am| are| is) going to)"
    r" (?!be\b|say|tell you|guess|see\b|admit|have\b|never|just say)\w+"
    r"|(?:i|we|you|they|he|she|someone|somebody)(?:'ve| have)? (?:need(?:s)?|ha(?:ve|s)|got|ought) to \w+"
    r"|(?:we|you|i|they) (?:should|must) (?!be able|have|be)\w+|let's (?:make sure|go with|plan|schedule|set)\w*)",
    re.IGNORECASE,
)
_REQUEST = re.compile(
    r"\b(?:(?:can|could|will|would) you (?:please )?(?:send|check|make|get|ask|write|call|find|prepare|look into|follow"
    r"|let me know|share|bring|take)|please (?:send|check|make|write|call|prepare|share|bring|note|remember)|make sure"
    r"|don't forget|remember to|action (?:item|point)s?|to[- ]do list|follow up|deadline|deliver(?:able)?s?"
    r"|get back to)\b",
    re.IGNORECASE,
)
_WHEN = re.compile(rf"\b(?:by|before|on|until|for)? ?{_DAY}\b", re.IGNORECASE)
DECISION = re.compile(
    r"\b(?:we(?:'ve| have)? (?:decided|agreed|settled|chose)|(?:it's|that's|is) (?:decided|agreed|settled)"
    r"|let's go with|we'll go with|we're going with|the decision|motion (?:is )?(?:carried|passed|agreed))\b",
    re.IGNORECASE,
)


def obligation(sentence: str) -> float:
    """How plainly a sentence says that something is to be done: 0 not at all, above 1 with a date or by request."""
    strength = 0.6 * bool(_COMMITMENT.search(sentence)) + 0.8 * bool(_REQUEST.search(sentence))
    if strength and _WHEN.search(sentence):
        strength += 0.5
    return strength * (0.3 if sentence.rstrip().endswith("?") and not _REQUEST.search(sentence) else 1.0)


OPENERS = word_set(
    """
    according afterward afterwards alongside apparently approaching arriving beneath beyond beside besides despite
    during earlier eventually everybody everyone except facing failing fearing finally following fortunately having
    hearing hoping initially knowing later leaving likewise looking meanwhile most moving nearby needing nevertheless
    next outside overall past player players party group people regarding reluctantly returning seeing shortly
    similarly since speaking still suddenly taking together trying two three four five six several unable unfortunately
    unlike unsure using waiting walking wanting whenever within without working worried characters participants
    speakers guests hosts listeners discussion meeting episode interviewer interviewee narrator speaker host guest
    """
)
"""Words that a sentence about a recording may begin with though nobody said them."""

NEGATION = re.compile(
    r"\b(?:not|never|no|none|nobody|nothing|neither|nor|without|cannot|refus\w+|fail\w*|unable|den(?:y|ie[sd]))\b"
    r"|\w+n['’]t\b",
    re.IGNORECASE,
)

ADDRESSES_WRITER = re.compile(
    r"\b(?:(?:ignore|disregard|forget|override|bypass)\b.{0,40}\b(?:instructions?|prompts?|rules|guidelines)"
    r"|(?:system|developer) (?:prompt|message|instruction)s?"
    r"|(?:new|updated|following|real) instructions?\b"
    r"|you are (?:now )?(?:an? )?(?:ai|language model|assistant|chatbot|llm|summari[sz]er)"
    r"|as an? (?:ai|language model|llm)\b"
    r"|(?:in|to|into|for|from) (?:the|your|these) (?:summary|notes|minutes|recap|json|output|transcript)\b"
    r"|(?:write|say|add|state|include|note|output|respond|reply)\b.{0,30}\b(?:in|to|into) (?:the|your|these) "
    r"(?:summary|notes|minutes|recap|answer|response))",
    re.IGNORECASE,
)
"""Talk that may be meant for whoever writes notes of it. It is heard, but no claim may rest on it."""
