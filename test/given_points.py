"""A point that comes beside a question, and words of questions in any order."""

from hypothesis import strategies as st

HERE = [(10.0, 20.0)]
WORDS = st.sampled_from(
    "how far is the point at pixel ( ) 320 , 240 -1 1e9 nan inf fast long in 2 s ms at m/s km/h "
    "from to and between apart image centre ahead depth this camera % {} \\ ' \" <p> <n> u= v "
    "chair width = feet per second".split()
)
